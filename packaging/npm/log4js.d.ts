import { Options } from './index';

/** `appenders: { out: { type: 'logagent/log4js', stream: 'web' } }` */
export interface Configuration extends Options {
  type: 'logagent/log4js';
  /** As of every appender; the basic layout where there is none. */
  layout?: { type: string; [option: string]: unknown };
  timezoneOffset?: number;
}

export interface Appender {
  (event: object): void;
  shutdown(complete: (error?: Error | null) => void): void;
}

/** log4js calls it. */
export function configure(config: Configuration, layouts?: any): Appender;
