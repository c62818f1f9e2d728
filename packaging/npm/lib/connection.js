'use strict';

// One connection to the agent's socket.
//
// Bytes are written with write(2) on the socket's own descriptor, not through its stream: so it is
// known at any time which bytes the kernel has taken, and an exit can wait for the rest. A Unix
// socket is connected, or not, when connect(2) returns, which net.connect() has called then.

const fs = require('node:fs');
const net = require('node:net');
const { clearTimeout, later } = require('./clock');

// As they are now: what a test of the app puts in their place later is not for us.
const { readSync, writeSync } = fs;

/** What write() comes to where nothing was taken. */
const FULL = -1;
const ENDED = -2;

/** An agent that ends reads what the kernel has taken before it closes the connection. */
const CLOSE_TIMEOUT_MS = 1000;

class Connection {
  /** Whether anybody has accepted, or will. */
  isOpen = false;
  /** Why it ended, as an error code; `EOF` where the agent has closed it. */
  reason;
  #socket;
  #preface;
  #onEnd;
  #onTaken;
  #timer;
  #takesNoMore = false;
  #isConfirmed = false;
  #hasTaken = false;
  #isUnderWay = false;
  #confirmed = 0;

  /**
   * @param {string} path
   * @param {Buffer} preface what goes before anything else, in one write with it
   * @param {{ onOpen(): void, onTaken(): void, onEnd(): void }} events
   */
  constructor(path, preface, events) {
    this.#preface = preface;
    this.#onEnd = () => {
      clearTimeout(this.#timer);
      this.#onEnd = () => {};
      this.isOpen = false;
      events.onEnd();
    };
    this.#onTaken = events.onTaken;
    const socket = net.connect({ path });
    this.#socket = socket;
    socket.unref();
    socket.on('connect', () => {
      this.isOpen = true;
      this.#isConfirmed = true;
      events.onOpen();
    });
    socket.on('end', () => {
      this.#takesNoMore = true;
    });
    socket.on('error', (error) => {
      this.#takesNoMore = true;
      this.reason ??= error.code ?? String(error);
    });
    socket.on('close', () => {
      this.#takesNoMore = true;
      this.reason ??= 'EOF';
      this.#onEnd();
    });
    // Nothing is ever sent to us but the end.
    socket.resume();
  }

  /**
   * How many of `bytes` the kernel has taken, or FULL or ENDED.
   *
   * Until the event loop has seen that we are connected there is one write only, unless it is
   * urgent: it sees that when the socket has room, and keeps the process alive as long as it waits.
   *
   * @param {Buffer} bytes
   * @param {boolean} isUrgent
   */
  write(bytes, isUrgent) {
    if (this.#takesNoMore) {
      return ENDED;
    }
    if (!this.#isConfirmed && this.#hasTaken && !isUrgent) {
      return FULL;
    }
    const descriptor = this.#socket._handle?.fd;
    if (descriptor === undefined) {
      return this.#writeThroughStream(bytes);
    }
    const preface = this.#preface;
    const all = preface.length > 0 ? Buffer.concat([preface, bytes]) : bytes;
    let taken;
    try {
      taken = writeSync(descriptor, all, 0, all.length);
    } catch (error) {
      return this.#failed(error);
    }
    this.isOpen = true;
    this.#hasTaken = true;
    if (preface.length === 0) {
      return taken;
    }
    const ofPreface = Math.min(taken, preface.length);
    this.#preface = preface.subarray(ofPreface);
    return taken - ofPreface;
  }

  #failed(error) {
    if (error.code === 'EAGAIN' || error.code === 'ENOBUFS' || error.code === 'EINTR') {
      return FULL;
    }
    this.isOpen = false;
    this.#takesNoMore = true;
    if (error.code === 'EPIPE') {
      this.#lookForEnd();
    } else if (error.code === 'ECONNRESET') {
      // Said once: nobody else gets to know it.
      this.reason ??= error.code;
    }
    // An agent that ends takes no more of this connection, and reads what it has: the next one is
    // made when it is done and closes this one, so that lines stay in order. Of a socket that never
    // was connected (ENOTCONN) the next event is its end, and says why.
    this.#timer ??= later(() => this.destroy(), CLOSE_TIMEOUT_MS);
    return ENDED;
  }

  /** Whether the agent has closed it already, and whether it had read everything then. */
  #lookForEnd() {
    try {
      if (readSync(this.#socket._handle.fd, Buffer.alloc(1), 0, 1) === 0) {
        this.reason ??= 'EOF';
      }
    } catch (error) {
      if (error.code !== 'EAGAIN') {
        this.reason ??= error.code;
      }
    }
  }

  /**
   * Other runtimes do not say which descriptor it is: one chunk at a time is under way, and taken
   * when they say so.
   */
  #writeThroughStream(bytes) {
    if (this.#confirmed > 0) {
      const confirmed = this.#confirmed;
      this.#confirmed = 0;
      return confirmed;
    }
    if (!this.#isUnderWay) {
      this.#isUnderWay = true;
      const all = Buffer.concat([this.#preface, bytes]);
      const { length } = bytes;
      this.#preface = all.subarray(0, 0);
      this.#socket.write(all, (error) => {
        if (!error) {
          this.#isUnderWay = false;
          this.#confirmed = length;
          this.#onTaken();
        }
      });
    }
    return FULL;
  }

  /** The agent was gone before it had read everything. */
  get wasReset() {
    return this.reason === 'ECONNRESET';
  }

  /** Ends it without waiting for anything. */
  destroy() {
    this.#socket.destroy();
    this.#onEnd();
  }

  /** Ends it when the agent has read everything. */
  end() {
    this.#socket.end();
  }
}

module.exports = { Connection, FULL, ENDED };
