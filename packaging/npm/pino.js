'use strict';

// pino({ transport: { target: 'logagent/pino', options: { stream: 'web' } } })

const { stream } = require('.');

/** pino gives a transport ten seconds to end. */
const EXIT_TIMEOUT_MS_MAX = 8000;

/** @param {import('.').Options} [options] */
module.exports = async (options = {}) => {
  const { exitTimeout } = options;
  return stream(exitTimeout > EXIT_TIMEOUT_MS_MAX
    ? { ...options, exitTimeout: EXIT_TIMEOUT_MS_MAX } : options);
};
