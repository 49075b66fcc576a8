import { describe, expect, test } from 'vitest';
import { documentedPolicy } from '../support/iam.ts';

interface Policy {
  readonly Version: string;
  readonly Statement: readonly {
    readonly Effect: string;
    readonly Action: string | readonly string[];
    readonly Resource?: string;
    readonly Principal?: { readonly AWS: string };
    readonly Condition?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  }[];
}

function policy(name: string): Policy {
  return JSON.parse(documentedPolicy(name));
}

describe('the policies of docs/IAM.md', () => {
  test.each(['server', 'source', 'trust', 'user'])('"%s" has the grammar of IAM policies', (name) => {
    const { Version, Statement } = policy(name);
    expect(Version).toBe('2012-10-17');
    expect(Statement.length).toBeGreaterThan(0);
    for (const { Effect, Action, Resource, Principal, Condition, ...others } of Statement) {
      expect(others).toEqual({});
      expect(Effect).toBe('Allow');
      for (const action of [Action].flat())
        expect(action).toMatch(/^(s3|sts|secretsmanager|lambda):[A-Z]\w+$/);
      // One of the two: who a role trusts, or what a role may do.
      expect([Resource, Principal].filter((each) => each !== undefined)).toHaveLength(1);
      if (Resource !== undefined && Resource !== '*')
        expect(Resource).toMatch(/^arn:aws:\w+:([\w-]*):(\d{12})?:\S+$/);
      if (Principal) expect(Principal.AWS).toMatch(/^arn:aws:iam::\d{12}:role\/\S+$/);
      for (const operator of Object.keys(Condition ?? {}))
        expect(operator).toMatch(/^StringLike(IfExists)?$/);
    }
  });

  test('let the server assume roles with tags and a source identity, and the roles trust it in that', () => {
    const needed = ['sts:AssumeRole', 'sts:TagSession', 'sts:SetSourceIdentity'];
    const grants = (name: string) => policy(name).Statement.map(({ Action }) => [Action].flat());
    expect(grants('server')).toContainEqual(needed);
    expect(grants('trust')).toContainEqual(needed);
  });
});
