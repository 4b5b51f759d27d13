// Questions that the engine has no answer to: they go to the resolvers outside in their order, as the bytes that the client sent.

import { asUpstreamQuery, forClient, type Query, RCODE, responseCode } from '../../protocols/dns/message.ts';
import { type Asked, askOverTcp, askOverUdp, DNS_PORT, type Transport } from './exchange.ts';
import type { OutsideSockets } from './outside-sockets.ts';

/** resolv.conf(5) knows three as well. */
const MAX_SERVERS = 3;
const MAX_ATTEMPTS = 3;
/** Clients wait five seconds by default: the third server has to get its turn before that. */
const ATTEMPT_MS = { udp: 1500, tcp: 3000 } as const satisfies Record<Transport, number>;

/** The server has answered; no other would know better. */
const FINAL_CODES: ReadonlySet<number> = new Set([RCODE.NOERROR, RCODE.NXDOMAIN]);

/**
 * The first answer that settles the question, under the client's number. Failing that the first of the other answers (a refusal, say);
 * undefined when no server answered at all. A single server is asked again, since datagrams get lost.
 */
export async function forwardQuery(
  query: Query,
  transport: Transport,
  servers: readonly string[],
  sockets: OutsideSockets,
): Promise<Buffer | undefined> {
  const asked = servers.slice(0, MAX_SERVERS);
  let unsettled: Buffer | undefined;
  const answered = new Set<string>();
  for (let attempt = 0; attempt < MAX_ATTEMPTS && asked.length > 0; attempt++) {
    const server = asked[attempt % asked.length] as string;
    if (answered.has(server)) continue;
    try {
      const answer = await ask(server, query, transport, sockets);
      if (FINAL_CODES.has(responseCode(answer))) return forClient(query, answer);
      answered.add(server);
      unsettled ??= forClient(query, answer);
    } catch {
      // The next one is asked: that a server is away is no news to anyone but the client, who hears it when all are.
    }
  }
  return unsettled;
}

async function ask(server: string, query: Query, transport: Transport, sockets: OutsideSockets): Promise<Buffer> {
  const asked: Asked = {
    bytes: asUpstreamQuery(query),
    questionEnd: query.questionEnd,
    timeoutMs: ATTEMPT_MS[transport],
  };
  if (transport === 'udp') return askOverUdp(sockets.udp(server), server, asked);
  return askOverTcp(sockets.tcp(server, DNS_PORT), server, asked);
}
