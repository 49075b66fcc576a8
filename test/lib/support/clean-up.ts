import { CloudAssembly } from 'aws-cdk-lib/cx-api';
import { afterAll } from 'vitest';

// Every App writes its assembly into a directory of its own under the system's temporary one.
afterAll(() => CloudAssembly.cleanupTemporaryDirectories());
