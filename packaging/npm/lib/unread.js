'use strict';

// What the kernel has taken and the agent may not have read yet. Nobody tells us how much that is;
// but there is a most.

const { readFileSync } = require('node:fs');
const { CHUNK_BYTES } = require('./queue');

/** What Linux counts for a write in a Unix socket's buffer, besides its bytes, at least. */
const WRITE_OVERHEAD_BYTES = 512;
const WRITES_MAX = 65536;

let socketBytes;

/** How much waits in a socket until it is full: socket(7), and Linux's default where it is hidden. */
function socketBytesMax() {
  if (socketBytes === undefined) {
    try {
      socketBytes = Number.parseInt(readFileSync('/proc/sys/net/core/wmem_default', 'ascii'), 10);
    } catch {
      socketBytes = 212992;
    }
  }
  return socketBytes;
}

class Unread {
  #room;
  #writes;
  #next = 0;
  #bytes;
  #lines;
  #times;

  constructor() {
    this.#room = socketBytesMax();
    const writes = Math.ceil((this.#room + CHUNK_BYTES) / WRITE_OVERHEAD_BYTES);
    this.#writes = Math.min(writes, WRITES_MAX);
    this.#bytes = new Uint32Array(this.#writes);
    this.#lines = new Uint32Array(this.#writes);
    this.#times = new Float64Array(this.#writes);
  }

  /** A new connection has nothing unread. */
  clear() {
    this.#next = 0;
  }

  /** The kernel has taken this at `time`. */
  add(bytes, lines, time) {
    const at = this.#next % this.#writes;
    this.#bytes[at] = bytes;
    this.#lines[at] = lines;
    this.#times[at] = time;
    this.#next += 1;
  }

  /**
   * The most that may be unread, or nothing. Linux takes a write as long as there is less in the
   * socket than it may hold, whatever it is with that write.
   */
  most() {
    const most = { lines: 0, bytes: 0, from: Infinity, to: 0 };
    const oldest = Math.max(0, this.#next - this.#writes);
    let before = 0;
    for (let write = this.#next - 1; write >= oldest; write -= 1) {
      const at = write % this.#writes;
      if (write < this.#next - 1) {
        before += this.#bytes[at] + WRITE_OVERHEAD_BYTES;
        if (before >= this.#room) {
          break;
        }
      }
      most.lines += this.#lines[at];
      most.bytes += this.#bytes[at];
      most.from = this.#times[at];
      most.to = Math.max(most.to, this.#times[at]);
    }
    return most.lines > 0 ? most : undefined;
  }
}

module.exports = { Unread };
