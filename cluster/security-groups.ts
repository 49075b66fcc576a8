import type { ShardPlan } from '../lib/shard-plan.ts';

/** One rule of a security group: who, or whom, and which TCP ports; undefined ports: all protocols. */
interface Rule {
  /** A network in CIDR notation, or the logical id of another group. */
  readonly peer: { readonly cidr: string } | { readonly group: string };
  readonly ports: readonly [first: number, last: number] | undefined;
}

interface SecurityGroup {
  readonly ingress: readonly Rule[];
  readonly egress: readonly Rule[];
}

/** Resources of a CloudFormation template, by logical id. */
export type Resources = Readonly<Record<string, { readonly Type: string; readonly Properties?: object }>>;

/** The load balancer's group, and the tasks', as the gateway's template has them. */
export interface Groups {
  readonly balancer: SecurityGroup;
  readonly tasks: SecurityGroup;
}

type Raw = Readonly<Record<string, unknown>>;

/** Reads the rules of the two groups. @throws Error for a rule that is none of those that can be carried out here */
export function groupsOf(resources: Resources): Groups {
  const group = (prefix: string): SecurityGroup => {
    const [id, own] =
      Object.entries(resources).find(
        ([name, { Type }]) => Type === 'AWS::EC2::SecurityGroup' && name.startsWith(prefix),
      ) ?? [];
    const { SecurityGroupIngress = [], SecurityGroupEgress = [] } = (own?.Properties ?? {}) as Record<
      string,
      Raw[]
    >;
    const apart = (type: string) =>
      Object.values(resources)
        .filter(({ Type, Properties }) => Type === type && referred((Properties as Raw).GroupId) === id)
        .map(({ Properties }) => Properties as Raw);
    return {
      ingress: [...SecurityGroupIngress, ...apart('AWS::EC2::SecurityGroupIngress')].map(ruleOf),
      egress: [...SecurityGroupEgress, ...apart('AWS::EC2::SecurityGroupEgress')].map(ruleOf),
    };
  };
  return { balancer: group('LoadBalancerGroup'), tasks: group('TaskGroup') };
}

function ruleOf(raw: Raw): Rule {
  const { CidrIp, IpProtocol, FromPort, ToPort } = raw;
  const other = referred(raw.SourceSecurityGroupId ?? raw.DestinationSecurityGroupId);
  const peer = typeof CidrIp === 'string' ? { cidr: CidrIp } : other !== undefined && { group: other };
  if (!peer || (IpProtocol !== 'tcp' && IpProtocol !== '-1'))
    throw new Error(`not a rule that can be carried out here: ${JSON.stringify(raw)}`);
  return { peer, ports: IpProtocol === 'tcp' ? [Number(FromPort), Number(ToPort)] : undefined };
}

/** The logical id in `{"Fn::GetAtt": [id, "GroupId"]}`. */
function referred(value: unknown): string | undefined {
  return (value as { 'Fn::GetAtt'?: [string, string] } | undefined)?.['Fn::GetAtt']?.[0];
}

/** The interfaces of the namespaces: where each lies, seen from the load balancer or a task. */
export const INTERFACES = { clients: 'clients0', tasks: 'tasks0', balancer: 'balancer0' } as const;

const tcp = ({ ports }: Rule) => (ports ? `tcp dport ${ports[0]}-${ports[1]} ` : '');
const ESTABLISHED = 'ct state established,related accept';

/**
 * The load balancer as rules of nftables: its security group, and its listeners as destinations that keep the client's
 * address. A flow stays with its target, since the kernel remembers it.
 * @param zones the load balancer's addresses
 * @param tasks the tasks' addresses, by shard
 */
export function balancerRules(
  { balancer }: Groups,
  { listeners, shards }: ShardPlan,
  zones: readonly string[],
  tasks: readonly string[],
): string {
  const allowed = balancer.ingress.map((rule) => {
    if (!('cidr' in rule.peer)) throw new Error('clients are no group');
    return `iifname ${INTERFACES.clients} ip saddr ${rule.peer.cidr} ${tcp(rule)}accept`;
  });
  const sent = balancer.egress.map((rule) => `oifname ${INTERFACES.tasks} ct status dnat ${tcp(rule)}accept`);
  const listening = zones.flatMap((address, zone) =>
    listeners.flatMap(({ port, containerPort, purpose, shards: owners }) => {
      // A passive port has one task, wherever it is; control connections stay in their zone.
      const near = owners.filter((shard) => purpose === 'passive' || shards[shard]?.zone === zone);
      const to = near.map((shard, index) => `${index} : ${tasks[shard]}`).join(', ');
      const flow = 'jhash ip saddr . tcp sport';
      return `ip daddr ${address} tcp dport ${port} dnat to ${flow} mod ${near.length} map { ${to} } : ${containerPort}`;
    }),
  );
  return table([
    [
      'type filter hook prerouting priority -110;',
      [ESTABLISHED, ...allowed, `iifname ${INTERFACES.clients} drop`],
    ],
    ['type nat hook prerouting priority dstnat;', listening],
    ['type filter hook forward priority 0; policy drop;', [ESTABLISHED, ...sent]],
  ]);
}

/** A task's security group as rules of nftables; what comes from the load balancer comes by an interface of its own. */
export function taskRules({ tasks }: Groups): string {
  const source = ({ peer }: Rule) =>
    'cidr' in peer ? `ip saddr ${peer.cidr}` : `iifname ${INTERFACES.balancer}`;
  const allowed = tasks.ingress.map((rule) => `${source(rule)} ${tcp(rule)}accept`);
  const sent = tasks.egress.map((rule) => {
    if (!('cidr' in rule.peer)) throw new Error('tasks send to networks only');
    return `ip daddr ${rule.peer.cidr} ${tcp(rule)}accept`;
  });
  const local = 'iifname lo accept';
  return table([
    ['type filter hook input priority 0; policy drop;', [local, ESTABLISHED, ...allowed]],
    ['type filter hook output priority 0; policy drop;', [ESTABLISHED, ...sent]],
  ]);
}

function table(chains: readonly (readonly [hook: string, rules: readonly string[]])[]): string {
  const body = chains.map(([hook, rules], index) =>
    [`  chain c${index} {`, `    ${hook}`, ...rules.map((rule) => `    ${rule}`), '  }'].join('\n'),
  );
  return ['table ip ferry {', ...body, '}', ''].join('\n');
}
