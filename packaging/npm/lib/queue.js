'use strict';

// Whole lines that wait for the connection, as bytes.

/**
 * What is written at a time. Linux takes so much of a Unix socket's bytes whole or not at all, with
 * room to spare for the line that names the stream.
 */
const CHUNK_BYTES = 32 * 1024;
const NEWLINE = 10;

/** The number of newlines in `bytes` from `start` to `end`. */
function linesIn(bytes, start, end) {
  let lines = 0;
  for (let at = bytes.indexOf(NEWLINE, start); at !== -1 && at < end;) {
    lines += 1;
    at = bytes.indexOf(NEWLINE, at + 1);
  }
  return lines;
}

class Queue {
  /** Lines and bytes that wait, those of a line of which a part was taken included. */
  lines = 0;
  bytes = 0;

  // Chunks of whole lines, oldest first, exactly as long as they are; behind them the newest, which
  // still has room. A line that is longer than a chunk is one by itself.
  #full = [];
  #next = 0;
  #newest = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  #newestBytes = 0;
  #newestLines = 0;
  // What was taken of the oldest.
  #taken = 0;

  /**
   * Appends a line, and returns its length in bytes.
   *
   * @param {string} line with its newline
   * @param {'utf8' | 'latin1'} encoding
   */
  push(line, encoding) {
    const atMost = encoding === 'latin1' ? line.length : 3 * line.length;
    if (this.#newestBytes + atMost > CHUNK_BYTES) {
      const exactly = Buffer.byteLength(line, encoding);
      if (exactly > CHUNK_BYTES) {
        this.#seal();
        this.#full.push({ bytes: Buffer.from(line, encoding), lines: 1 });
        this.#count(exactly);
        return exactly;
      }
      if (this.#newestBytes + exactly > CHUNK_BYTES) {
        this.#seal();
      }
    }
    const written = this.#newest.write(line, this.#newestBytes, encoding);
    this.#newestBytes += written;
    this.#newestLines += 1;
    this.#count(written);
    return written;
  }

  #count(bytes) {
    this.lines += 1;
    this.bytes += bytes;
  }

  #seal() {
    if (this.#newestBytes > 0) {
      const bytes = Buffer.from(this.#newest.subarray(0, this.#newestBytes));
      this.#full.push({ bytes, lines: this.#newestLines });
      this.#newestBytes = 0;
      this.#newestLines = 0;
    }
  }

  get isEmpty() {
    return this.bytes === 0;
  }

  /** Whether a write would be as large as it gets. */
  get hasFullChunk() {
    return this.#next < this.#full.length;
  }

  /** What is to be written next; valid until the next call of another method. */
  oldest() {
    const chunk = this.#full[this.#next];
    const [bytes, end] = chunk
      ? [chunk.bytes, chunk.bytes.length]
      : [this.#newest, this.#newestBytes];
    return bytes.subarray(this.#taken, Math.min(end, this.#taken + CHUNK_BYTES));
  }

  /**
   * So many bytes of the oldest were taken. Returns how many lines ended with that.
   *
   * @param {number} count
   */
  take(count) {
    const chunk = this.#full[this.#next];
    const [bytes, end, lines] = chunk
      ? [chunk.bytes, chunk.bytes.length, chunk.lines]
      : [this.#newest, this.#newestBytes, this.#newestLines];
    const taken = this.#taken + count;
    this.bytes -= count;
    if (taken < end) {
      const ended = linesIn(bytes, this.#taken, taken);
      this.#taken = taken;
      if (chunk) {
        chunk.lines -= ended;
      } else {
        this.#newestLines -= ended;
      }
      this.lines -= ended;
      return ended;
    }
    this.#taken = 0;
    if (chunk) {
      this.#full[this.#next] = undefined;
      this.#next += 1;
      if (this.#next === this.#full.length) {
        this.#full = [];
        this.#next = 0;
      } else if (this.#next === 1024) {
        this.#full.splice(0, this.#next);
        this.#next = 0;
      }
    } else {
      this.#newestBytes = 0;
      this.#newestLines = 0;
    }
    this.lines -= lines;
    return lines;
  }

  /**
   * The connection has ended: a line of which only a part was taken goes again. Returns whether
   * there is one.
   */
  rewind() {
    if (this.#taken === 0) {
      return false;
    }
    const chunk = this.#full[this.#next];
    const bytes = chunk ? chunk.bytes : this.#newest;
    const start = bytes.lastIndexOf(NEWLINE, this.#taken - 1) + 1;
    const again = this.#taken - start;
    this.bytes += again;
    this.#taken = start;
    return again > 0;
  }

  /** Drops everything, and returns what it was. */
  clear() {
    this.rewind();
    const { lines, bytes } = this;
    this.lines = 0;
    this.bytes = 0;
    this.#full = [];
    this.#next = 0;
    this.#newestBytes = 0;
    this.#newestLines = 0;
    this.#taken = 0;
    return { lines, bytes };
  }
}

module.exports = { CHUNK_BYTES, Queue };
