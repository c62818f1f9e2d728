import { LogagentStream, Options } from './index';

/** `pino({ transport: { target: 'logagent/pino', options: { stream: 'web' } } })` */
declare function transport(options?: transport.TransportOptions): Promise<LogagentStream>;

declare namespace transport {
  type TransportOptions = Options;
}

export = transport;
