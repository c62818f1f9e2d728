'use strict';

const { LogagentStream } = require('./lib/stream');

/**
 * A stream of lines into logagent.
 *
 * @param {import('.').Options} [options]
 */
function stream(options) {
  return new LogagentStream(options);
}

module.exports = { stream, LogagentStream };
