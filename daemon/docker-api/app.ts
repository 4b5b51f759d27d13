// The types of this API's routes, and the few things every route uses: how a JSON answer is written, what a name in a path may be.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import { type Static, type TSchema, Type } from '@sinclair/typebox';
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyTypeProvider } from 'fastify';
import { EngineError } from '../errors/engine-error.ts';
import { mapInTurns } from '../state/map-in-turns.ts';

interface TypeBoxTypes extends FastifyTypeProvider {
  validator: this['schema'] extends TSchema ? Static<this['schema']> : unknown;
}

export type App = FastifyInstance<Server, IncomingMessage, ServerResponse, FastifyBaseLogger, TypeBoxTypes>;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What a route does with a request's body; none of it when this is absent. */
    body?: 'json' | 'stream';
  }
  interface FastifySchema {
    summary?: string;
    tags?: string[];
  }
}

export const containerParams = Type.Object({ id: Type.String({ description: 'ID, name or unique ID prefix' }) });
export const execParams = Type.Object({ id: Type.String({ description: 'ID of the exec instance' }) });
export const nameParams = Type.Object({ name: Type.String({ description: 'Name or ID' }) });

const asIs = (text: unknown): string => text as string;

/**
 * With exactly `application/json`: the docker CLI shows an error's raw JSON when a charset follows, which Fastify adds unless the reply has
 * a serializer of its own. With the line end that Docker's encoder writes.
 */
export function sendJson(reply: FastifyReply, value: unknown, status = 200): FastifyReply {
  const text = `${JSON.stringify(value)}\n`;
  return reply.code(status).header('Content-Type', 'application/json').serializer(asIs).send(text);
}

/** As sendJson, for a list of any length: others are served while each of `values` is brought into the wire's form and written. */
export async function sendJsonList<T>(
  reply: FastifyReply,
  values: readonly T[],
  view: (value: T) => object,
): Promise<FastifyReply> {
  const texts = await mapInTurns(await mapInTurns(values, view), (shown) => JSON.stringify(shown));
  return reply
    .code(200)
    .header('Content-Type', 'application/json')
    .serializer(asIs)
    .send(`[${texts.join(',')}]\n`);
}

/** As sendJson, for an object of which single fields may be long. */
export async function sendJsonFields(reply: FastifyReply, value: object): Promise<FastifyReply> {
  // Making them may have taken its time: others first.
  await setImmediate();
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  const texts = await mapInTurns(fields, ([name, field]) => `${JSON.stringify(name)}:${JSON.stringify(field)}`);
  return reply
    .code(200)
    .header('Content-Type', 'application/json')
    .serializer(asIs)
    .send(`{${texts.join(',')}}\n`);
}

export function sendEmpty(reply: FastifyReply, status: 200 | 201 | 204): FastifyReply {
  return reply.code(status).send();
}

/** A name or id out of a path: any text that can be one. Throws 'invalid'. */
export function checkName(what: string, name: string): string {
  if (name === '') throw new EngineError('invalid', `invalid ${what} name or ID: value is empty`);
  if (/[\u0000-\u001f\u007f]/.test(name))
    throw new EngineError('invalid', `invalid ${what} name or ID: control character`);
  return name;
}

/** Leaves out what is undefined: services' optional properties are absent, never undefined. */
export function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const present: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields)) if (value !== undefined) present[key] = value;
  return present as { [K in keyof T]?: Exclude<T[K], undefined> };
}
