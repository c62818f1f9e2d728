import { Writable } from 'node:stream';

export interface Options {
  /** Path of the agent's socket; `$LOGAGENT_SOCKET`, else `/run/logagent/logagent.sock`. */
  socket?: string;
  /**
   * Name of the stream, where the agent's input has `client-names-stream = true`; `$LOGAGENT_STREAM`,
   * else the socket's own stream.
   */
  stream?: string;
  /** How much is kept while it cannot be sent; 8 MiB. */
  bufferBytes?: number;
  /** How long, in milliseconds, the end of the process or of the stream may wait for it; 1000. */
  exitTimeout?: number;
  /** Whether lines say their process and instance; true. */
  mark?: boolean;
}

/** What has become of the lines so far. */
export interface Counters {
  /** Lines that the kernel has taken for the agent, gap records among them. */
  written: number;
  writtenBytes: number;
  /** Lines that wait. */
  buffered: number;
  bufferedBytes: number;
  /** Lines that were lost here, each told in a gap record or on the standard error. */
  dropped: number;
  droppedBytes: number;
  /** Gap records that stand where lines were dropped. */
  gaps: number;
  /** Long lines of which a beginning stands alone, before the whole line. */
  fragments: number;
  /** Connections whose other end was gone before it had read everything. */
  resets: number;
  /** Lines that were lost with those, at most. */
  unread: number;
  /** Connections made. */
  connections: number;
  connected: boolean;
}

export class LogagentStream extends Writable {
  constructor(options?: Options);
  readonly counters: Counters;
  /** Hands the kernel what it takes now, without waiting. */
  flushSync(): void;
  /** Calls back when the kernel has every line that was written until now. */
  flush(callback?: () => void): void;
}

/** A stream of lines into logagent. */
export function stream(options?: Options): LogagentStream;
