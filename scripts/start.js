// `npm start`. Plain JavaScript, so that a Node that is too old can still say so.
const [major, minor] = process.versions.node.split('.').map(Number);

if (major > 24 || (major === 24 && minor >= 12)) {
  void import('./start.ts').then((start) => start.main());
} else {
  console.error(
    `ferry: Node ${process.versions.node} is too old, 24.12 is needed; ` +
      'type `npm ci --ignore-scripts=false` to install the right one beside Ferry, then `npm start`',
  );
  process.exitCode = 1;
}
