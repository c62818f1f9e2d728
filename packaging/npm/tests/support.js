'use strict';

// A place of its own for each test, a server that can be as rude as a test wants, the real agent, and
// programs in processes of their own.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');

const PACKAGE = path.join(__dirname, '..');
const MODULES = process.env.LOGAGENT_NODE_MODULES
  ?? path.join(PACKAGE, '../../target/node/node_modules');
/** Nothing takes so long, on the slowest machine. */
const PATIENCE_MS = 25_000;

/** A directory that goes with the test. */
function place(test) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'logagent-npm-'));
  test.after(() => fs.rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function until(condition, what) {
  const deadline = Date.now() + PATIENCE_MS;
  while (!condition()) {
    if (Date.now() > deadline) {
      throw new Error(`waited in vain for ${what}`);
    }
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
}

/** Listens at `socket`, and keeps what comes. */
class Server {
  /** What each connection has sent. */
  connections = [];
  #server;
  #sockets = new Set();

  constructor(socket, { reads = true } = {}) {
    this.socket = socket;
    this.reads = reads;
  }

  static async at(test, socket, options) {
    const server = new Server(socket, options);
    test.after(() => server.stop());
    await server.start();
    return server;
  }

  async start() {
    this.#server = net.createServer({ pauseOnConnect: true }, (client) => {
      const connection = { bytes: '', chunks: 0 };
      this.connections.push(connection);
      this.#sockets.add(client);
      client.setEncoding('latin1');
      client.on('data', (bytes) => {
        connection.bytes += bytes;
        connection.chunks += 1;
      });
      client.on('error', () => {});
      client.on('close', () => this.#sockets.delete(client));
      if (this.reads) {
        client.resume();
      }
    });
    this.#server.listen(this.socket);
    await once(this.#server, 'listening');
  }

  /** Reads from now on. */
  read() {
    this.reads = true;
    this.#sockets.forEach((client) => client.resume());
  }

  /** Ends every connection, and takes no new one. */
  async stop() {
    if (this.#server?.listening) {
      this.#server.close();
      this.#sockets.forEach((client) => client.destroy());
      await once(this.#server, 'close');
    }
  }

  /** Whole lines of all connections, one behind the other, without those that name the stream. */
  get lines() {
    return this.connections.flatMap(({ bytes }) => bytes.split('\n').slice(0, -1))
      .filter((line) => !line.startsWith('logagent/1 '));
  }

  async has(count) {
    await until(() => this.lines.length >= count, `${count} lines`);
    return this.lines;
  }

  /** Somebody has come, and everybody has ended. */
  async ended() {
    await until(() => this.connections.length > 0 && this.#sockets.size === 0, 'the end');
  }
}

/** Runs a program that finds this package and those of tests/node. */
function run(test, program, { env, stdin, execArgv = [] } = {}) {
  const directory = place(test);
  const file = path.join(directory, 'program.js');
  fs.writeFileSync(file, program);
  return start(test, [...execArgv, file], { env, stdin });
}

function start(test, argv, { env, stdin = 'ignore', command = process.execPath } = {}) {
  const clean = { ...process.env };
  for (const name of ['NODE_APP_INSTANCE', 'NODE_TEST_CONTEXT', 'NODE_OPTIONS', 'pm_id',
    'LOGAGENT_SOCKET', 'LOGAGENT_STREAM', 'NODE_CHANNEL_FD']) {
    delete clean[name];
  }
  const child = spawn(command, argv, {
    env: { ...clean, NODE_PATH: MODULES, ...env },
    stdio: [stdin, 'pipe', 'pipe'],
  });
  const running = { child, stdout: '', stderr: '' };
  child.stdout.on('data', (text) => {
    running.stdout += text;
  });
  child.stderr.on('data', (text) => {
    running.stderr += text;
  });
  running.ended = Promise.race([
    once(child, 'close').then(([code, signal]) => Object.assign(running, { code, signal })),
    new Promise((_, reject) => {
      setTimeout(() => reject(new Error(`${argv} does not end: ${running.stderr}`)), PATIENCE_MS)
        .unref();
    }),
  ]);
  running.ended.catch(() => {});
  test.after(() => child.kill('SIGKILL'));
  return running;
}

/** The real agent, with a socket whose clients name their streams. */
class Agent {
  constructor(test) {
    this.test = test;
    this.directory = place(test);
    this.socket = path.join(this.directory, 'logagent.sock');
    fs.writeFileSync(path.join(this.directory, 'logagent.toml'), `
[agent]
pid-file = "${this.directory}/logagent.pid"
control = "${this.directory}/control.sock"
[defaults]
dir = "${this.directory}"
[input.clients.unix-stream]
path = "${this.socket}"
client-names-stream = true
`);
  }

  static async at(test) {
    const agent = new Agent(test);
    await agent.start();
    return agent;
  }

  async start() {
    const command = process.env.LOGAGENT;
    if (!command) {
      throw new Error('set LOGAGENT to the path of the logagent program');
    }
    const argv = ['-c', path.join(this.directory, 'logagent.toml')];
    this.running = start(this.test, argv, { command });
    await until(() => this.running.stderr.includes('msg="started"'), 'the agent');
  }

  /** Ends it as systemd would; everything that was sent before is written then. */
  async stop() {
    this.running.child.kill('SIGTERM');
    await this.running.ended;
  }

  lines(stream) {
    const file = path.join(this.directory, `${stream}.log`);
    return fs.existsSync(file) ? fs.readFileSync(file, 'latin1').split('\n').slice(0, -1) : [];
  }

  async has(stream, count) {
    await until(() => this.lines(stream).length >= count, `${count} lines in ${stream}`);
    return this.lines(stream);
  }
}

/** `count` numbered lines. */
function numbered(count, from = 0) {
  return Array.from({ length: count }, (_, at) => `line ${from + at}`);
}

module.exports = { Agent, MODULES, PACKAGE, Server, numbered, place, run, until };
