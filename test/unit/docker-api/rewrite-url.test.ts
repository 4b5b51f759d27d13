import { expect, test } from 'vitest';
import { rewriteUrl } from '../../../daemon/docker-api/http/rewrite-url.ts';

test.each([
  ['GET', '/v1.43/containers/json?all=1', '/containers/json?all=1'],
  ['GET', '/containers/json', '/containers/json'],
  ['GET', '/v1.43/images/json', '/images/json'],
  ['GET', '/version', '/version'],
  ['GET', '/v1.43.1/info', '/info'],
  ['GET', '/images/a/b:1/json?x=/y', '/images/a%2Fb:1/json?x=/y'],
  ['POST', '/images/a/b/c/tag?repo=z', '/images/a%2Fb%2Fc/tag?repo=z'],
  ['POST', '/images/create?fromSrc=-', '/images/create?fromSrc=-'],
  ['DELETE', '/images/a/json', '/images/a%2Fjson'],
  ['DELETE', '/images/a', '/images/a'],
  ['GET', '/distribution/a/b/json', '/distribution/a%2Fb/json'],
  ['GET', '/images/a/b', '/images/a/b'],
  ['GET', '/containers/web/db/json?size=1', '/containers/web%2Fdb/json?size=1'],
  ['POST', '/v1.43/containers/web/db/start', '/containers/web%2Fdb/start'],
  ['GET', '/containers/web/attach/ws', '/containers/web/attach/ws'],
  ['DELETE', '/containers/web/db', '/containers/web/db'],
  ['GET', '/networks/a/b?verbose=1', '/networks/a%2Fb?verbose=1'],
  ['DELETE', '/networks/a/connect', '/networks/a%2Fconnect'],
  ['POST', '/networks/a/b/connect', '/networks/a%2Fb/connect'],
  ['POST', '/networks/a/disconnect', '/networks/a/disconnect'],
  ['POST', '/networks/create', '/networks/create'],
  ['OPTIONS', '*', '/*'],
  ['GET', '//evil/x', '/%00'],
  ['GET', 'http://evil/x', '/%00'],
  ['GET', `/${'x'.repeat(9000)}`, '/%00'],
])('%s %.60s becomes %.60s', (method, url, expected) => {
  expect(rewriteUrl(method, url)).toBe(expected);
});
