import type { Codec } from '../../index.ts';
import type { Auction, Bid, Person } from './model.ts';

/**
 * A bid as state: smaller and faster than JSON. Where the library breaks ties by stored bytes, the later bid and
 * then the higher one has the larger bytes.
 */
export const bidCodec: Codec<Bid> = {
  write: (writer, bid) => {
    writer.u48(bid.dateTime).u48(bid.price).varint(bid.auction).varint(bid.bidder);
    writer.string(bid.channel).string(bid.url).string(bid.extra);
  },
  read: (reader) => ({
    kind: 'bid',
    dateTime: reader.u48(),
    price: reader.u48(),
    auction: reader.varint(),
    bidder: reader.varint(),
    channel: reader.string(),
    url: reader.string(),
    extra: reader.string(),
  }),
};

export const auctionCodec: Codec<Auction> = {
  write: (writer, auction) => {
    writer.varint(auction.id).varint(auction.seller).varint(auction.category);
    writer.varint(auction.initialBid).varint(auction.reserve).u48(auction.dateTime).u48(auction.expires);
    writer.string(auction.itemName).string(auction.description).string(auction.extra);
  },
  read: (reader) => ({
    kind: 'auction',
    id: reader.varint(),
    seller: reader.varint(),
    category: reader.varint(),
    initialBid: reader.varint(),
    reserve: reader.varint(),
    dateTime: reader.u48(),
    expires: reader.u48(),
    itemName: reader.string(),
    description: reader.string(),
    extra: reader.string(),
  }),
};

export function listCodec<T>(item: Codec<T>): Codec<readonly T[]> {
  return {
    write: (writer, list) => {
      writer.varint(list.length);
      for (const each of list) item.write(writer, each);
    },
    read: (reader) => Array.from({ length: reader.varint() }, () => item.read(reader)),
  };
}

export function optionalCodec<T>(item: Codec<T>): Codec<T | undefined> {
  return {
    write: (writer, value) => {
      writer.u8(value === undefined ? 0 : 1);
      if (value !== undefined) item.write(writer, value);
    },
    read: (reader) => (reader.u8() === 0 ? undefined : item.read(reader)),
  };
}

export const personCodec: Codec<Person> = {
  write: (writer, person) => {
    writer.varint(person.id).u48(person.dateTime);
    writer.string(person.name).string(person.emailAddress).string(person.creditCard);
    writer.string(person.city).string(person.state).string(person.extra);
  },
  read: (reader) => ({
    kind: 'person',
    id: reader.varint(),
    dateTime: reader.u48(),
    name: reader.string(),
    emailAddress: reader.string(),
    creditCard: reader.string(),
    city: reader.string(),
    state: reader.string(),
    extra: reader.string(),
  }),
};
