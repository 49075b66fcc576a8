export type Setting = `FERRY_${string}`;
