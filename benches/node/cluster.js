// cluster.js: four workers of Node's own cluster; the primary has log4js, as their lines go to it.

'use strict';

const cluster = require('cluster');

if (cluster.isPrimary) {
  require('log4js').configure(JSON.parse(process.env.SETTINGS));
  for (let worker = 0; worker < 4; worker++) cluster.fork();
} else {
  require('./app.js');
}
