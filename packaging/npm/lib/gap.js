'use strict';

// The lines that stand where others are missing, as the agent writes its own.

const { isoOf, wallTime } = require('./clock');

/** More than a gap record ever has. */
const GAP_BYTES_MAX = 256;

/**
 * @param {string} howMany
 * @param {{ bytes: number, from: number, to: number, reason: string }} gap times of the lines
 */
function gapRecord(howMany, { bytes, from, to, reason }) {
  const when = `${isoOf(from)} to ${isoOf(to)}`;
  return `logagent: gap: ${howMany} lines, ${bytes} bytes lost, ${when}: ${reason}\n`;
}

/** Lines that are dropped one behind the other. */
class Gap {
  lines = 0;
  bytes = 0;
  from = wallTime();
  to = this.from;

  /** @param {string} reason */
  constructor(reason) {
    this.reason = reason;
  }

  /** @param {number} bytes */
  add(bytes) {
    this.lines += 1;
    this.bytes += bytes;
    this.to = wallTime();
  }

  toString() {
    return gapRecord(String(this.lines), this);
  }
}

module.exports = { GAP_BYTES_MAX, Gap, gapRecord };
