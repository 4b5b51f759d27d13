// The bytes of netlink messages. The expected ones are what ip(8) and conntrack(8) send for the same, or were checked with them.
import { describe, expect, it } from 'vitest';
import { addressBytes, addressText } from '../../../../daemon/protocols/addresses/address-bytes.ts';
import {
  addAddress,
  isInside,
  parseAddress,
  parseRoute,
  setDefaultRoute,
} from '../../../../daemon/protocols/netlink/address-messages.ts';
import { changeLink, newBridge, newVeth, parseLink } from '../../../../daemon/protocols/netlink/link-messages.ts';
import {
  attributeList,
  message,
  numberMessage,
  parseAcknowledgement,
  parseAttributes,
  parseMessages,
  text,
  u32,
} from '../../../../daemon/protocols/netlink/netlink-message.ts';

const hex = (bytes: Buffer) =>
  bytes
    .toString('hex')
    .replace(/(.{8})/g, '$1 ')
    .trim();

describe('netlink messages', () => {
  it('have their length, type, flags and number in front, and attributes padded to four bytes', () => {
    const bytes = message(16, 0x600, Buffer.alloc(4), text(3, 'br'));
    numberMessage(bytes, 7, 4);
    expect(hex(bytes)).toBe('1c000000 10000506 07000000 00000000 00000000 07000300 62720000');
  });

  it('are read back from a run of several', () => {
    const first = message(1, 0, Buffer.from('aa', 'hex'));
    const run = Buffer.concat([first, message(2, 0, Buffer.from('bbbb', 'hex'))]);
    expect(parseMessages(run).map(({ type, payload }) => [type, payload.toString('hex')])).toEqual([
      [1, 'aa'],
      [2, 'bbbb'],
    ]);
  });

  it('are refused when a length leads out of the buffer, and attributes end there', () => {
    const bytes = message(1, 0, Buffer.alloc(4));
    bytes.writeUInt32LE(400, 0);
    expect(() => parseMessages(bytes)).toThrow(RangeError);
    bytes.writeUInt32LE(3, 0);
    expect(() => parseMessages(bytes)).toThrow(RangeError);
    expect(attributeList(Buffer.from('0800010001000000ff00020000', 'hex'))).toHaveLength(1);
    expect(attributeList(Buffer.from('0000010001000000', 'hex'))).toHaveLength(0);
  });

  it('tell an error with the kernel’s words', () => {
    const header = Buffer.alloc(16);
    const error = Buffer.alloc(4);
    error.writeInt32LE(-17);
    const payload = Buffer.concat([error, header, text(1, 'Exists already')]);
    expect(parseAcknowledgement({ type: 2, flags: 0x200, seq: 1, payload })).toEqual({
      errno: 17,
      text: 'Exists already',
    });
    expect(parseAcknowledgement({ type: 2, flags: 0, seq: 1, payload })).toEqual({ errno: 17, text: '' });
  });
});

describe('link messages', () => {
  it('make a bridge that forwards at once and keeps its address', () => {
    expect(hex(newBridge('br0', '02:42:00:00:00:01'))).toBe(
      '50000000 10000106 00000000 00000000 00000000 00000000 00000000 00000000 ' +
        '08000300 62723000 0a000100 02420000 00010000 ' +
        '1c001280 0b000100 62726964 67650000 0c000280 08000100 00000000',
    );
  });

  it('make both ends of a pair, the other one in its namespace', () => {
    const bytes = newVeth({
      name: 'v0',
      master: 2,
      mtu: 1400,
      peer: { namespaceFd: 9, name: 'eth0', mac: '02:42:ac:11:00:02' },
    });
    const attributes = parseAttributes(bytes.subarray(32));
    expect(attributes.get(10)?.readUInt32LE(0)).toBe(2);
    const info = parseAttributes(attributes.get(18) ?? Buffer.alloc(0));
    expect(info.get(1)?.toString()).toBe('veth\0');
    const peer = parseAttributes(info.get(2) ?? Buffer.alloc(0)).get(1) ?? Buffer.alloc(0);
    const inside = parseAttributes(peer.subarray(16));
    expect(inside.get(3)?.toString()).toBe('eth0\0');
    expect(inside.get(1)?.toString('hex')).toBe('0242ac110002');
    expect(inside.get(28)?.readUInt32LE(0)).toBe(9);
    expect(inside.get(4)?.readUInt32LE(0)).toBe(1400);
  });

  it('change only what is asked', () => {
    expect(hex(changeLink('lo', { isUp: true }))).toBe(
      '28000000 10000100 00000000 00000000 00000000 00000000 01000000 01000000 07000300 6c6f0000',
    );
    const header = changeLink('lo', { alias: 'x' }).subarray(16, 32);
    expect(header.every((byte) => byte === 0)).toBe(true);
  });

  it('refuse what is no MAC address', () => {
    expect(() => newBridge('br0', '02:42')).toThrow(TypeError);
  });

  it('are read as the kernel sends them', () => {
    const header = Buffer.alloc(16);
    header.writeInt32LE(5, 4);
    header.writeUInt32LE(1, 8);
    const payload = Buffer.concat([header, text(3, 'eth0'), u32(4, 1500), u32(10, 3), text(20, 'whose it is')]);
    expect(parseLink({ type: 16, flags: 0, seq: 0, payload })).toEqual({
      index: 5,
      name: 'eth0',
      isUp: true,
      isRunning: false,
      master: 3,
      mtu: 1500,
      mac: '',
      alias: 'whose it is',
      kind: '',
    });
  });
});

describe('address and route messages', () => {
  it('give an IPv4 address with its broadcast address, an IPv6 address without a wait for duplicates', () => {
    expect(hex(addAddress(3, '172.17.0.2', 16))).toBe(
      '30000000 14000105 00000000 00000000 02100000 03000000 08000200 ac110002 08000100 ac110002 08000400 ac11ffff',
    );
    expect(hex(addAddress(3, 'fd00::2', 64))).toBe(
      '48000000 14000105 00000000 00000000 0a400000 03000000 ' +
        '14000200 fd000000 00000000 00000000 00000002 14000100 fd000000 00000000 00000000 00000002 08000800 02000000',
    );
  });

  it('send everything to the gateway', () => {
    expect(hex(setDefaultRoute(3, '172.17.0.1'))).toBe(
      '2c000000 18000105 00000000 00000000 02000000 fe040001 00000000 08000500 ac110001 08000400 03000000',
    );
  });

  it('are read as the kernel sends them', () => {
    const route = Buffer.from('020c0000fe02fd01000000000800 0100ac1000000800040007000000'.replaceAll(' ', ''), 'hex');
    expect(parseRoute({ type: 24, flags: 0, seq: 0, payload: route })).toEqual({
      destination: '172.16.0.0',
      prefix: 12,
      index: 7,
      table: 254,
      type: 1,
    });
    const address = Buffer.from('0210000005000000080002 00ac110001'.replaceAll(' ', ''), 'hex');
    expect(parseAddress({ type: 20, flags: 0, seq: 0, payload: address })).toEqual({
      index: 5,
      address: '172.17.0.1',
      prefix: 16,
      scope: 0,
    });
  });
});

describe('addresses', () => {
  it.each(['0.0.0.0', '255.1.2.3', '::', '::1', 'fd00:1:2:3:4:5:6:7', 'fd00::10', '2001:db8::ff00:42:8329'])(
    'are bytes and texts: %s',
    (address) => expect(addressText(addressBytes(address))).toBe(address),
  );

  it('with an IPv4 part are bytes as well', () => {
    expect(addressBytes('::ffff:10.0.0.1').toString('hex')).toBe('00000000000000000000ffff0a000001');
  });

  it.each(['', '1.2.3', '1.2.3.256', ':::', 'fe80::1%eth0', 'name'])('are refused: %j', (address) => {
    expect(() => addressBytes(address)).toThrow(TypeError);
  });

  it('are inside of a network or not, to the bit', () => {
    expect(isInside('10.1.255.255', { destination: '10.0.0.0', prefix: 15 })).toBe(true);
    expect(isInside('10.2.0.0', { destination: '10.0.0.0', prefix: 15 })).toBe(false);
    expect(isInside('fd00::1', { destination: '10.0.0.0', prefix: 0 })).toBe(false);
    expect(isInside('fd00:0:0:1::', { destination: 'fd00::', prefix: 63 })).toBe(true);
  });
});
