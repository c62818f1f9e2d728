'use strict';

// The way to the agent: a connection, and another one whenever it ends.

const { clearTimeout, later, now, wallTime } = require('./clock');
const { Connection, ENDED } = require('./connection');
const { gapRecord } = require('./gap');
const { counted, warn } = require('./report');
const { Unread } = require('./unread');

const RECONNECT_MS_MIN = 50;
const RECONNECT_MS_MAX = 250;
/** A connection that has lasted so long is none of those that end at once, over and over. */
const LASTING_MS = 1000;
/** How long the agent may be away until that is told. */
const AWAY_TOLD_MS = 10_000;
/** How often it is told that lines were not read. */
const RESET_TOLD_EVERY_MS = 60_000;

class Link {
  /** Connections that were made, those that were reset, and lines that were lost with them. */
  connections = 0;
  resets = 0;
  unread = 0;
  /** Whether anybody has ever been there. */
  wasThere = false;
  /** Why the last connection ended, or could not be made, as an error code. */
  reason;

  #settings;
  #events;
  #handshake;
  // What the connection before has lost, said before anything else.
  #lost = '';
  #unread = new Unread();
  #connection;
  #openedAt;
  #retryTimer;
  #retryMs = RECONNECT_MS_MIN;
  #awaySince = now();
  #awayTold = false;
  #resetToldAt = -Infinity;

  /**
   * @param {{ socket: string, stream?: string, bufferBytes: number }} settings
   * @param {{ onReady(): void, onEnd(): void }} events more may be written; what was written in part
   *   has to be written again
   */
  constructor(settings, events) {
    this.#settings = settings;
    this.#events = events;
    const { stream } = settings;
    this.#handshake = stream === undefined ? '' : `logagent/1 stream=${stream}\n`;
    this.#connect();
  }

  get isOpen() {
    return this.#connection?.isOpen ?? false;
  }

  /** How many of `bytes` were taken, or FULL or ENDED. */
  write(bytes, isUrgent) {
    return this.#connection === undefined ? ENDED : this.#connection.write(bytes, isUrgent);
  }

  /** So many bytes were taken, and so many lines ended with them. */
  took(bytes, lines) {
    this.wasThere = true;
    this.#lost = '';
    this.#unread.add(bytes, lines, wallTime());
  }

  /** Connects at once where it would wait before. */
  retryNow() {
    if (this.#connection === undefined) {
      clearTimeout(this.#retryTimer);
      this.#connect();
    }
  }

  /** Does not wait until the connection says that it has ended. */
  giveUp() {
    this.#connection?.destroy();
  }

  /** No more is written. */
  close() {
    clearTimeout(this.#retryTimer);
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.end();
  }

  #connect() {
    // What a connection says that is not ours any more is nothing to us.
    const ifCurrent = (work) => () => {
      if (this.#connection === connection) {
        work();
      }
    };
    const preface = Buffer.from(this.#handshake + this.#lost);
    const connection = new Connection(this.#settings.socket, preface, {
      onOpen: ifCurrent(() => this.#opened()),
      onTaken: ifCurrent(() => this.#events.onReady()),
      onEnd: ifCurrent(() => this.#ended()),
    });
    this.#connection = connection;
  }

  #opened() {
    this.connections += 1;
    this.wasThere = true;
    this.#openedAt = now();
    this.#awayTold = false;
    this.#events.onReady();
  }

  #ended() {
    const { reason, wasReset } = this.#connection;
    this.reason = reason ?? this.reason;
    this.#connection = undefined;
    const most = this.#unread.most();
    this.#unread.clear();
    const time = now();
    if (wasReset && most !== undefined) {
      this.#tellReset(most, time);
    }
    if (this.#openedAt !== undefined) {
      const wasRead = most !== undefined && !wasReset;
      if (wasRead || time - this.#openedAt >= LASTING_MS) {
        this.#retryMs = RECONNECT_MS_MIN;
      }
      this.#openedAt = undefined;
      this.#awaySince = time;
    }
    this.#tellAway(time);
    this.#retryLater();
    this.#events.onEnd();
  }

  #retryLater() {
    this.#retryTimer = later(() => this.#connect(), this.#retryMs);
    this.#retryMs = Math.min(2 * this.#retryMs, RECONNECT_MS_MAX);
  }

  /** The agent was gone before it had read what the kernel had taken for it. */
  #tellReset(most, time) {
    this.resets += 1;
    this.unread += most.lines;
    this.#lost = gapRecord(`at most ${most.lines}`, { ...most, reason: 'connection reset' });
    if (time - this.#resetToldAt >= RESET_TOLD_EVERY_MS) {
      this.#resetToldAt = time;
      warn(`the agent at ${this.#settings.socket} ended without reading what it had been sent: `
        + `at most ${counted(most.lines, 'line')}, ${most.bytes} bytes are lost`, 'LOGAGENT_RESET');
    }
  }

  #tellAway(time) {
    // What nobody permits does not heal by waiting.
    const heals = this.reason !== 'EACCES';
    if (!this.#awayTold && (time - this.#awaySince >= AWAY_TOLD_MS || !heals)) {
      this.#awayTold = true;
      const { bufferBytes, socket } = this.#settings;
      const what = heals ? 'does the agent run, with an input there?'
        : "may this process's user or group write to it?";
      warn(`no connection to ${socket}: ${this.reason}; ${what} `
        + `Up to ${bufferBytes} bytes are kept until there is one`, 'LOGAGENT_CONNECTION');
    }
  }
}

module.exports = { Link, RECONNECT_MS_MIN };
