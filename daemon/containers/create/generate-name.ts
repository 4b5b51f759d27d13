// Names for containers that were given none: an adjective and a noun, with a digit when the pair is taken.
import { randomInt } from 'node:crypto';

const adjectives = (
  'able airy amber ample apt arch avid azure balmy bold brave brief bright brisk calm candid careful cheerful civil clean clear clever ' +
  'cosy crisp curious dapper daring deft dewy eager early earnest easy elated even exact fair famous fast fine firm fleet fluent fond ' +
  'frank free fresh gentle giddy glad golden good grand great green happy hardy hasty hearty honest humble ideal jolly jovial keen kind ' +
  'lively loyal lucid lucky lunar lush mellow merry mighty mild modest neat nimble noble patient peaceful perky placid plucky polite prime ' +
  'proud prompt pure quick quiet rapid ready regal robust rosy rustic sandy serene sharp shiny silent silver simple sleek smart smooth ' +
  'snug social solar solid sound spare spry stable stately steady stellar still stoic stout sturdy subtle sunny swift tidy tame tender ' +
  'thrifty timely tranquil trim true trusty upbeat urban vast verdant vivid warm wary wise witty worthy young zesty'
).split(' ');

const nouns = (
  'acorn alder anchor apple arbor aspen atlas badger bamboo barley basin bay beacon beaver beech birch bison bloom bluff boulder breeze ' +
  'bridge brook canyon caper cedar chalk cherry cliff clover cobalt comet coral cove crane creek cricket crocus curlew current cypress ' +
  'dahlia dale dawn delta dolphin dove dune eagle egret elm ember falcon fern field finch fjord flint forest fossil fox garnet gecko geyser ' +
  'glacier glade granite grove gull harbor hare harvest hawk hazel heath heron hickory hill hornet island ivy jasper juniper kestrel lagoon ' +
  'lake larch lark laurel lemur lichen lily linden lotus lynx magpie maple marble marlin marsh martin meadow mesa meteor mink mint moor moss ' +
  'myrtle newt nutmeg oak oasis ocean olive opal orbit orchid osprey otter owl panda pebble pelican peony pine plateau plover pond poplar ' +
  'poppy prairie quail quartz rain raven reed reef ridge river robin rowan saffron sage salmon sequoia shore sierra slate sparrow spruce ' +
  'squid stork stream summit swallow swan tern thicket thistle thyme tiger timber trout tulip tundra turtle valley violet walnut warbler ' +
  'willow wolf wren yarrow zebra'
).split(' ');

/** One try: `taken` decides whether the name is free. */
export function generateName(taken: (name: string) => boolean): string {
  for (let tries = 0; ; tries++) {
    const pair = `${pick(adjectives)}_${pick(nouns)}`;
    const name = tries < 4 ? pair : `${pair}${randomInt(10 ** Math.min(tries - 2, 9))}`;
    if (!taken(name)) return name;
  }
}

function pick(words: readonly string[]): string {
  return words[randomInt(words.length)] ?? 'calm';
}
