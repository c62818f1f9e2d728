'use strict';

// log4js.configure({ appenders: { out: { type: 'logagent/log4js', stream: 'web' } }, ... })

const cluster = require('node:cluster');
const { stream } = require('.');
const { warn } = require('./lib/report');

let isConfigured = false;

/** @param {import('./log4js').Configuration} config */
function configure(config, layouts) {
  isConfigured = true;
  const layout = config.layout
    ? layouts.layout(config.layout.type, config.layout)
    : layouts.basicLayout;
  const out = stream(config);
  const append = (event) => {
    out.write(`${layout(event, config.timezoneOffset)}\n`);
  };
  append.shutdown = (complete) => {
    out.end(complete);
  };
  return append;
}

// log4js asks for this module, and then, in a worker of a cluster, does not use it: it hands its
// lines to the primary process, and PM2's knows nothing of log4js.
if (cluster.isWorker && process.env.pm_id !== undefined) {
  setImmediate(() => {
    if (!isConfigured) {
      warn('log4js sends the lines of this process to PM2, where they are lost: '
        + 'write disableClustering: true into the configuration of log4js', 'LOGAGENT_CLUSTERING');
    }
  }).unref();
}

module.exports = { configure };
