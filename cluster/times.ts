/** Every time that rules a fleet, in milliseconds. */
export interface Times {
  /** Between two health checks by one checker. */
  readonly probe: number;
  /** How long a health check may take. */
  readonly probeTimeout: number;
  /** For how long new connections still reach a target that was taken out (measured on AWS: up to two minutes). */
  readonly lag: number;
  /** How long a target that was taken out keeps its connections (ELB, deregistration_delay.timeout_seconds). */
  readonly deregistrationDelay: number;
  /** After which a silent connection is forgotten (ELB, tcp.idle_timeout.seconds). */
  readonly idle: number;
  /** Least age of a process before it serves anybody. */
  readonly hold: number;
  /** Age that the first health check of each passive port must have by then. */
  readonly probed: number;
  /** How often a process asks for the state of its task. */
  readonly poll: number;
  /** For how long a process waits for a data connection; less than the hold of its successor. */
  readonly connect: number;
  /** From SIGTERM to the moment when a process parks what still runs. */
  readonly drain: number;
  /** From SIGTERM to SIGKILL (ECS, stopTimeout). */
  readonly stopTimeout: number;
  /** From the death of a task to the start of another one in its place. */
  readonly replacement: number;
}

const SECOND = 1000;

/**
 * The times of a deployment, run so many times as fast.
 * @param by 1: as on AWS
 */
export function times(by: number): Times {
  const scaled = (seconds: number) => Math.round((seconds * SECOND) / by);
  return {
    probe: scaled(10),
    // A machine that runs a whole fleet may be slow to answer: this one is not scaled.
    probeTimeout: 6 * SECOND,
    lag: scaled(120),
    deregistrationDelay: scaled(900),
    idle: scaled(3600),
    hold: scaled(120),
    probed: scaled(40),
    poll: scaled(12),
    connect: scaled(30),
    drain: scaled(100),
    stopTimeout: scaled(120),
    replacement: scaled(60),
  };
}
