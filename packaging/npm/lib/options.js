'use strict';

// What may be set, and what stands where nothing is.

/** As the agent has it: letters, digits, `.`, `_`, `-`, `@`, no leading dot, at most 128. */
const STREAM_NAME = /^(?!\.)[A-Za-z0-9._@-]{1,128}$/;
/** unix(7): 108 with the final NUL. */
const SOCKET_PATH_BYTES_MAX = 107;
const BUFFER_BYTES = 8 * 1024 * 1024;
const BUFFER_BYTES_MIN = 1024;
/** A text of Node.js has less than twice that. */
const BUFFER_BYTES_MAX = 256 * 1024 * 1024;
const EXIT_TIMEOUT_MS = 1000;
const EXIT_TIMEOUT_MS_MAX = 60_000;

/**
 * Thrown where a logger is set up, never where something is logged.
 *
 * @param {string} name
 * @param {unknown} value
 * @param {string} wanted
 */
function wrong(name, value, wanted) {
  const shown = typeof value === 'string' ? JSON.stringify(value) : String(value);
  const error = new TypeError(`logagent: ${name} is ${shown}: ${wanted}`);
  error.code = 'LOGAGENT_OPTION';
  return error;
}

function socketOf(options) {
  const socket = options.socket ?? (process.env.LOGAGENT_SOCKET || '/run/logagent/logagent.sock');
  if (typeof socket !== 'string' || socket === '' || socket.includes('\0')) {
    throw wrong('socket', socket, 'it must be the path of a Unix socket');
  }
  const bytes = Buffer.byteLength(socket);
  if (bytes > SOCKET_PATH_BYTES_MAX) {
    const wanted = `the path has ${bytes} bytes, a Unix socket's at most ${SOCKET_PATH_BYTES_MAX}`;
    throw wrong('socket', socket, wanted);
  }
  return socket;
}

function streamOf(options) {
  const stream = options.stream ?? (process.env.LOGAGENT_STREAM || undefined);
  if (stream !== undefined && !(typeof stream === 'string' && STREAM_NAME.test(stream))) {
    const wanted = 'a stream has letters, digits, ".", "_", "-" and "@", no leading dot, '
      + 'and at most 128 characters';
    throw wrong('stream', stream, wanted);
  }
  return stream;
}

function integer(options, name, [least, most], absent) {
  const value = options[name] ?? absent;
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    throw wrong(name, value, `it must be a whole number from ${least} to ${most}`);
  }
  return value;
}

/**
 * Unknown options are left alone: loggers pass on what is theirs.
 *
 * @param {import('..').Options} [options]
 */
function settingsOf(options = {}) {
  if (options === null || typeof options !== 'object') {
    throw wrong('options', options, 'they must be an object');
  }
  const mark = options.mark ?? true;
  if (typeof mark !== 'boolean') {
    throw wrong('mark', mark, 'it must be true or false');
  }
  return {
    socket: socketOf(options),
    stream: streamOf(options),
    bufferBytes: integer(options, 'bufferBytes', [BUFFER_BYTES_MIN, BUFFER_BYTES_MAX], BUFFER_BYTES),
    exitTimeout: integer(options, 'exitTimeout', [0, EXIT_TIMEOUT_MS_MAX], EXIT_TIMEOUT_MS),
    mark,
  };
}

module.exports = { settingsOf };
