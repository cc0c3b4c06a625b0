// The relay that a Node server is made of: pipe the child's stdout into the response, SIGKILL when the client has left.
//
//   node relay.js CHILD    listens on a free port of loopback and prints it; GET /NAME runs `CHILD NAME`
'use strict';
const http = require('http');
const { spawn } = require('child_process');

const server = http.createServer((req, res) => {
  if (req.url === '/healthz') {
    res.end('ok\n');
    return;
  }
  const child = spawn(process.argv[2], [req.url.slice(1)], { stdio: ['ignore', 'pipe', 'ignore'] });
  res.writeHead(200, { 'Content-Type': 'video/mp4' });
  child.stdout.pipe(res, { end: false });
  child.on('close', (code) => (code === 0 ? res.end() : res.destroy()));
  res.on('close', () => child.kill('SIGKILL'));
});
server.listen(0, '127.0.0.1', 512, () => console.log(server.address().port));
