import { get } from 'node:http';

// The container's health command: exits with 0 if the server lives. A program of its own, since the image has no curl.
const request = get(
  // biome-ignore lint/style/noProcessEnv: the health command is a process of its own, not part of the server
  { host: '127.0.0.1', port: process.env.FERRY_HEALTH_PORT ?? 8080, path: '/live', timeout: 5000 },
  (response) => {
    process.exitCode = response.statusCode === 200 ? 0 : 1;
    response.resume();
  },
);
request.on('timeout', () => request.destroy());
request.on('error', () => {
  process.exitCode = 1;
});
