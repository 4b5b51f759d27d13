import { describe, expect, test } from 'vitest';
import { registryError } from '../../../daemon/registry/pull-words.ts';
import { RegistryFailure } from '../../../daemon/registry/registry-failure.ts';

const url = new URL('https://registry.test:5000/v2/a/blobs/sha256:0');
const refusal = (status: number, body: string) =>
  RegistryFailure.ofStatus('HEAD', url, status, Buffer.from(body), undefined);
const withCode = (code: string, message: string) => JSON.stringify({ errors: [{ code, message }] });

describe('what a registry refuses', () => {
  test.each([
    [401, '', 'unauthorized: authentication required'],
    [401, withCode('UNAUTHORIZED', 'who are you'), 'unauthorized: who are you'],
    [403, '', 'denied: requested access to the resource is denied'],
    [403, withCode('DENIED', 'not yours'), 'denied: not yours'],
  ])('%i %j is told once, in docker’s words', (status, body, message) => {
    expect(registryError(refusal(status, body))).toMatchObject({ message });
  });
});

describe('a name that does not resolve', () => {
  test.each([
    ['ENOTFOUND', 'no such host'],
    ['EAI_AGAIN', 'the name servers do not answer'],
  ])('%s is %s', (code, words) => {
    const error = Object.assign(new Error(`getaddrinfo ${code} registry.test`), { code, syscall: 'getaddrinfo' });
    const failure = RegistryFailure.ofNetwork('GET', url, error);
    expect(failure.cause).toBeUndefined();
    expect(failure.message).toBe(
      `GET "https://registry.test:5000/v2/a/blobs/sha256:0": lookup registry.test: ${words}`,
    );
  });
});
