import { Writable } from 'node:stream';
import { Counters, Options } from './index';

export interface TransportOptions extends Options {
  /** The lowest level that is logged; the logger's own where there is none. */
  level?: string;
  /** One of winston's formats; the logger's own where there is none. */
  format?: { transform(info: any, options?: any): any; options?: any };
  silent?: boolean;
  handleExceptions?: boolean;
  handleRejections?: boolean;
}

/** `winston.createLogger({ transports: [new Logagent({ stream: 'web' })] })` */
export class Logagent extends Writable {
  constructor(options?: TransportOptions);
  name: string;
  level?: string;
  silent?: boolean;
  format?: TransportOptions['format'];
  handleExceptions?: boolean;
  handleRejections?: boolean;
  readonly counters: Counters;
  log(info: any, callback: () => void): void;
  close(): void;
}
