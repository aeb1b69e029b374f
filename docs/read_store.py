#!/usr/bin/python3
"""Reads a store of OCM from its directory, with the vault passphrase or the recovery code; written from format.md.

  read_store.py list STORE
  read_store.py verify STORE [SNAPSHOT]        every byte of one or of all
  read_store.py restore STORE SNAPSHOT INTO    INTO must not be there yet

The passphrase or the code is the first line of standard input. Snapshots of nodes that the vault record does not list
are told as "unconfirmed" and read only with --unconfirmed. Needs Debian's python3, python3-cryptography,
python3-argon2 and python3-zstandard.
"""
import argparse, functools, hashlib, hmac, math, os, re, struct, sys, unicodedata

import argon2.low_level, zstandard
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

class Damaged(Exception):
    """Something is not what the format says it is, or does not open."""

def pass_over(what):
    print('passed over:', what, file=sys.stderr)

def need(truth, what):
    if not truth:
        raise Damaged(what)

# CBOR ----------------------------------------------------------------------------------------------------------------

def encode(value):
    if value is None or isinstance(value, bool):
        return {None: b'\xf6', True: b'\xf5', False: b'\xf4'}[value]
    if isinstance(value, (int, float)):
        return encode_number(value)
    if isinstance(value, (bytes, str)):
        data = value.encode() if isinstance(value, str) else value
        return encode_head(3 if isinstance(value, str) else 2, len(data)) + data
    if isinstance(value, list):
        return encode_head(4, len(value)) + b''.join(map(encode, value))
    pairs = sorted((encode(key), encode(one)) for key, one in value.items())
    return encode_head(5, len(pairs)) + b''.join(key + one for key, one in pairs)

def encode_number(value):
    if abs(value) < 2**53 and value == int(value):
        return encode_head(0, int(value)) if value >= 0 else encode_head(1, -1 - int(value))
    value = float(value)
    for first, form in (b'\xf9', '>e'), (b'\xfa', '>f'):
        if form == '>e' and 0 < abs(value) < 2**-14 and math.frexp(abs(value))[0] != 0.5:
            continue
        try:
            short = struct.pack(form, value)
        except OverflowError:
            continue  # Too large for this form: the next is wider.
        if struct.unpack(form, short)[0] == value or value != value:
            return first + short
    return b'\xfb' + struct.pack('>d', value)

def encode_head(major, n):
    if n < 24:
        return bytes([major << 5 | n])
    size = next(size for size in (1, 2, 4, 8) if n < 1 << 8 * size)
    return bytes([major << 5 | 23 + size.bit_length()]) + n.to_bytes(size, 'big')

def decode(data, what):
    try:
        value, end = decode_one(data, 0, 0)
        good = end == len(data) and encode(value) == data
    except (IndexError, UnicodeDecodeError, struct.error):
        good = False
    need(good, what + ': not deterministic CBOR')
    return value

def decode_one(data, at, depth):
    major, n, at = data[at] >> 5, data[at] & 31, at + 1
    need(depth <= 256 and n < 28 and major != 6, 'CBOR')
    if major == 7 and n < 25:
        need(n in (20, 21, 22), 'CBOR')
        return (False, True, None)[n - 20], at
    if n >= 24:
        size = 1 << n - 24
        if major == 7:
            return struct.unpack({25: '>e', 26: '>f', 27: '>d'}[n], data[at:at + size])[0], at + size
        n, at = int.from_bytes(data[at:at + size], 'big'), at + size
    if major < 2:
        return (n if major == 0 else -1 - n), at
    need(n <= len(data) - at, 'CBOR')
    if major < 4:
        part = data[at:at + n]
        return (part if major == 2 else part.decode()), at + n
    items = []
    for _ in range(n if major == 4 else 2 * n):
        item, at = decode_one(data, at, depth + 1)
        items.append(item)
    if major == 4:
        return items, at
    need(all(isinstance(key, str) for key in items[::2]), 'CBOR: key')
    return dict(zip(items[::2], items[1::2])), at

# Shapes: fields and their types, '?' behind those that may be absent, '[x]' a list of x -------------------------------

SHAPES = {name: dict(field.split(':') for field in fields.split()) for name, fields in (
    line.split('| ') for line in '''\
statement| b:bytes k:bytes32 s:bytes64
record| v:1 vault:id serial:count epoch:count sealing:bytes32 operators:[operator] hubs:[bytes32] nodes:[key] \
   revoked:[bytes32] retired?:[key] at:count
key| id:id key:bytes32
operator| id:id key:bytes32 box?:bytes32
epoch| v:1 vault:id epoch:count sealing:bytes32 sealed:bytes
passphrase slot| kind:passphrase operator:id kdf:argon2id-64m-3-1 salt:bytes16 sealed:bytes
recovery slot| kind:recovery kdf:hkdf salt:bytes16 sealed:bytes
handover slot| kind:handover operator:id sealed:bytes
opened passphrase| secret:secret operator:key
opened recovery| secret:secret operator:null
secret| v:1 root:bytes32 epoch:count sealing:bytes32
sealed| e:bytes32 w:[bytes32,bytes48] c:bytes
pack header| v:1 suite:1 vault:id epoch:count node:id run:id class:class salt:bytes32 runKey:bytes
header| v:1 vault:id epoch:count node:id seq:count prev:link run:id trigger:trigger startedAt:count finishedAt:count \
   packs:[used] root:bytes metrics:any versions:any continues?:any fingerprints?:any
used| id:hash bytes:count class:class liveBytes:count
root| v:1 pages:[page] packs:[pack]
page| bytes:count sha256:bytes32 extents:[bytes32,count,count,count]
pack| id:bytes32 bytes:count class:class header:bytes32
about| v:1 layout:layout inventory:any config:any holdings:any unknowns?:any blind?:any plugins?:any views?:any \
   warnings:any ties?:any fenceEpoch?:count startedAt:count
layout| roots:any platform:any hostname:any user:any uid:any port:any versions:any
entry| root:name path:bytes kind:kind section:section persona?:text travel:travel mode:count modifiedAt:number \
   size:count sha256?:bytes32 extents?:[bytes32,count,count,count] target?:bytes unstable?:true'''.splitlines())}
PATTERNS = {
    'text': '.*', 'id': '[0-9a-f]{32}', 'hash': '[0-9a-f]{64}', 'class': 'secret|state|bulk|tree',
    'link': '[0-9a-f]{64}', 'trigger': 'manual|schedule|move|before-apply', 'kind': 'file|directory|link|database',
    'travel': 'always|identity|host|never', 'name': 'home|state|(workspace|extra):[A-Za-z0-9._-]{1,96}',
    'section': 'gateway|personas|credentials|cron|environment|workspaces|skills|plugins|channels|history',
}

def fits(value, shape):
    whole = isinstance(value, int) and not isinstance(value, bool)
    if shape[0] == '[':
        return isinstance(value, list) and all(fits(one, shape[1:-1]) for one in value)
    if shape[0] == '{':
        return isinstance(value, dict) and fits(list(value.values()), f'[{shape[1:-1]}]')
    if ',' in shape:
        types = shape.split(',')
        return isinstance(value, list) and len(value) == len(types) and all(map(fits, value, types))
    if isinstance(value, dict) and shape in SHAPES:
        types = {name.rstrip('?'): one for name, one in SHAPES[shape].items()}
        return (all(name in value or name[-1] == '?' for name in SHAPES[shape])
                and all(name in types and fits(one, types[name]) for name, one in value.items()))
    if isinstance(value, bytes):
        return shape in ('bytes', f'bytes{len(value)}')
    if isinstance(value, str) and shape not in ('any', *SHAPES):
        return re.fullmatch(PATTERNS.get(shape, shape), value, re.DOTALL) is not None
    return {'any': True, '1': whole and value == 1, 'count': whole and value >= 0, 'null': value is None,
            'link': value is None, 'true': value is True,
            'number': whole or isinstance(value, float) and math.isfinite(value)}.get(shape, False)

def decode_as(data, *shapes):
    value = decode(data, shapes[0])
    need(any(fits(value, shape) for shape in shapes), shapes[0] + ': not of its shape')
    return value

# Cryptography --------------------------------------------------------------------------------------------------------

def sha256(data):
    return hashlib.sha256(data).digest()

def hkdf(ikm, salt, info, length=32):
    key, out, block = hmac.digest(salt or bytes(32), ikm, 'sha256'), b'', b''
    while len(out) < length:
        block = hmac.digest(key, block + info + bytes([len(out) // 32 + 1]), 'sha256')
        out += block
    return out[:length]

def open_one(key, nonce, associated, sealed, what):
    try:
        return ChaCha20Poly1305(key).decrypt(nonce, sealed, associated)
    except (InvalidTag, ValueError):
        raise Damaged(what + ': does not open') from None

def public_of(pair):
    return pair.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

def open_sealed(pair, use, context, data):
    sealed, mine = decode_as(data, 'sealed'), public_of(pair)
    wrapped = next((key for recipient, key in sealed['w'] if recipient == mine), None)
    need(wrapped is not None, use + ': sealed to somebody else')
    associated = b'ocm/1 seal ' + use.encode() + b'\0' + encode(context)
    try:
        shared = pair.exchange(X25519PublicKey.from_public_bytes(sealed['e']))
    except ValueError:
        raise Damaged(use + ': no key') from None
    content = open_one(hkdf(shared, sealed['e'] + mine, associated), bytes(12), associated, wrapped, use)
    return open_one(content, bytes(12), associated, sealed['c'], use)

def read_statement(data, kind, shape, signer):
    statement = decode_as(data, 'statement')
    need(statement['k'] == signer, kind + ': signed by somebody else')
    try:
        signed = b'ocm/1 statement ' + kind.encode() + b'\0' + statement['b']
        Ed25519PublicKey.from_public_bytes(signer).verify(statement['s'], signed)
    except (InvalidSignature, ValueError):
        raise Damaged(kind + ': signature') from None
    return decode_as(statement['b'], shape)

def slot_key(slot, text):
    """Of a text that may be a passphrase or a recovery code; None if it cannot be what the slot wants."""
    if slot['kind'] == 'recovery':
        code = re.sub(r'[\s-]', '', text.lower()).replace('o', '0').replace('i', '1').replace('l', '1')
        is_code = re.fullmatch('[0123456789abcdefghjkmnpqrstvwxyz]{32}', code)
        return hkdf(code.encode(), slot['salt'], b'ocm/1 recovery slot') if is_code else None
    passphrase = unicodedata.normalize('NFKC', text).encode()
    return argon2.low_level.hash_secret_raw(passphrase, slot['salt'], time_cost=3, memory_cost=65536, parallelism=1,
                                            hash_len=32, type=argon2.low_level.Type.ID, version=0x13)

def open_slot(slot, vault, text):
    """The secret in it, or None if the text is not what opens it."""
    key, context = slot_key(slot, text), {'vault': vault, 'kind': slot['kind'], 'operator': slot.get('operator')}
    try:
        plain = key and open_one(key, bytes(12), b'ocm/1 slot\0' + encode(context), slot['sealed'], 'slot')
    except Damaged:
        return None
    return plain and decode_as(plain, 'opened ' + slot['kind'])

def secrets_in(slots, vault, text):
    """Of all slots that the text opens, and what was handed over to their operators in a later epoch."""
    for opened in filter(None, (open_slot(one, vault, text) for one in slots if 'kdf' in one)):
        yield opened['secret']
        operator = opened['operator'] or {'id': None}
        for slot in slots:
            if slot['kind'] == 'handover' and slot['operator'] == operator['id']:
                try:
                    yield open_handover(slot, operator, vault, opened['secret']['root'])
                except Damaged as damage:
                    pass_over(damage)

def open_handover(slot, operator, vault, root):
    box = X25519PrivateKey.from_private_bytes(hkdf(operator['key'], b'', b'ocm/1 operator box'))
    plain = open_sealed(box, 'handover', {'vault': vault, 'operator': operator['id']}, slot['sealed'])
    secret = decode_as(plain, 'secret')
    need(secret['root'] == root, 'handover: not of the vault')  # Anybody can seal to the box.
    return secret

# Packs ---------------------------------------------------------------------------------------------------------------

class Pack:
    """Header and footer are verified when it is made, each segment when it is read."""

    def __init__(self, data, known, of, pair_of):
        need(sha256(data) == known['id'] and len(data) == known['bytes'] <= 32 << 20, 'pack: another one')
        need(data[:7] != b'OCMPACK' or data[7:8] not in list(b'23456789'), 'pack: of a later format')
        need(data[:8] == b'OCMPACK1' and len(data) > 16, 'pack: magic')
        length = int.from_bytes(data[8:12], 'big')
        need(1 <= length <= 4096 and 16 + length < len(data), 'pack: header')
        self.data, stored = data, data[12:12 + length]
        self.header, self.header_hash = decode_as(stored, 'pack header'), sha256(stored)
        need(self.header_hash == known['header'] and self.header['class'] == known['class'], 'pack: another header')
        need(all(self.header[name] == of[name] for name in ('vault', 'epoch', 'node')), 'pack: of another node')
        context = {name: self.header[name] for name in ('vault', 'epoch', 'node', 'run')}
        run_key = open_sealed(pair_of(context['epoch']), 'run-key', context, self.header['runKey'])
        self.key = hkdf(run_key, self.header['salt'], b'ocm/1 pack\0' + self.header_hash)
        footer = int.from_bytes(data[-4:], 'big')
        area = len(data) - 4 - footer - 12 - length
        need(footer <= 262144 and area >= 1, 'pack: footer')
        self.rows = self.read_footer(data[12 + length + area:-4], area)
        self.begins = [12 + length]
        for row in self.rows:
            self.begins.append(self.begins[-1] + row[0])

    def read_footer(self, sealed, area):
        associated = b'ocm/1 footer\0' + self.header_hash + struct.pack('>I', area)
        plain = open_one(self.key, bytes(8) + b'\xff\xff\xff\xff', associated, sealed, 'footer')
        length = int.from_bytes(plain[:4], 'big')
        need(4 + length <= len(plain) and not any(plain[4 + length:]), 'footer: padding')
        rows = decode_as(plain[4:4 + length], '[count,count,count]')
        need(1 <= len(rows) <= 4096 and sum(row[0] for row in rows) == area, 'footer: rows')
        for stored, size, flags in rows:
            may = self.header['class'] != 'secret'  # Its length would tell about a secret.
            need(1 <= size <= 1 << 20 and flags <= may and stored > 16, 'footer: row')
            need(stored < size + 16 if flags else stored == size + 16, 'footer: row')
        return rows

    def segment(self, n):
        need(n < len(self.rows), 'pack: no such segment')
        _, size, flags = self.rows[n]
        associated = b'ocm/1 segment\0' + self.header_hash + struct.pack('>IIB', n, size, flags)
        sealed = self.data[self.begins[n]:self.begins[n + 1]]
        plain = open_one(self.key, bytes(8) + struct.pack('>I', n), associated, sealed, 'segment')
        return unzstd(plain, size) if flags else plain

def unzstd(frame, size):
    try:
        need(zstandard.get_frame_parameters(frame).content_size == size, 'segment: length')
        return zstandard.ZstdDecompressor().decompress(frame, allow_extra_data=False)
    except zstandard.ZstdError:
        raise Damaged('segment: does not unpack') from None

# Snapshots -----------------------------------------------------------------------------------------------------------

class Snapshot:
    def __init__(self, header, pair_of, read_pack):
        context = {name: header[name] for name in ('vault', 'epoch', 'node', 'seq', 'run')}
        self.root = decode_as(open_sealed(pair_of(header['epoch']), 'manifest-root', context, header['root']), 'root')
        self.known = {pack['id']: pack for pack in self.root['packs']}
        self.pack = functools.lru_cache(8)(lambda name: Pack(read_pack(name), self.known[name], header, pair_of))
        self.segment = functools.lru_cache(32)(lambda name, n: self.pack(name).segment(n))
        self.read_manifest()

    def extent(self, reference, classes):
        name, number, offset, length = reference
        need(name in self.known and self.known[name]['class'] in classes, 'extent: its pack is not in the root')
        segment = self.segment(name, number)
        need(length > 0 and offset + length <= len(segment), 'extent: beyond its segment')
        return segment[offset:offset + length]

    def read_manifest(self):
        pages = self.root['pages']
        need(len(pages) <= 65536 and sum(page['bytes'] for page in pages) <= 1 << 30, 'manifest: too large')
        found = {'meta': [], 'entries': [], 'omissions': [], 'mentions': []}
        for page in pages:
            need(page['bytes'] <= 64 << 20 and page['bytes'] == sum(one[3] for one in page['extents']), 'page: length')
            data = b''.join(self.extent(one, ['tree']) for one in page['extents'])
            need(sha256(data) == page['sha256'], 'page: another content')
            kind, content = decode_as(data, 'meta,about', 'entries,[entry]', 'omissions,[any]', 'mentions,[any]')
            found[kind] += [content] if kind == 'meta' else content
        need(len(found['meta']) == 1, 'manifest: meta')
        self.roots, self.entries = found['meta'][0]['layout']['roots'], found['entries']
        check_entries(self.entries, self.roots)

    def content(self, entry):
        """Its bytes in pieces. They are the right ones only if this ends without an exception."""
        whole, rest, step = hashlib.sha256(), b'', 65536 if entry['size'] > 4 << 30 else 16384
        for reference in entry['extents']:
            part = self.extent(reference, ['secret', 'state', 'bulk', 'tree'])
            yield part
            if entry['kind'] == 'file':
                whole.update(part)
                continue
            rest += part
            for at in range(0, len(rest) - step + 1, step):
                whole.update(sha256(rest[at:at + step]))
            rest = rest[len(rest) // step * step:]
        if rest:
            whole.update(sha256(rest))
        need(whole.digest() == entry['sha256'], 'entry: another content')

def names_of(path):
    names = tuple(path.split(b'/')) if path else ()
    need(not {b'', b'.', b'..'} & set(names) and b'\0' not in path, 'entry: path')
    return names

def check_tree(places):
    """Pairs of names and kind: none occurs twice or lies below what is no directory."""
    kinds = dict(places)
    need(len(kinds) == len(places), 'entry: twice')
    for names in kinds:
        above = (names[:n] for n in range(len(names)))
        need(all(kinds.get(one, 'directory') == 'directory' for one in above), 'entry: below no directory')

def check_entries(entries, roots):
    need(fits(roots, '{text}') and {'home', 'state'} <= set(roots), 'roots')
    for name, path in roots.items():
        need(fits(name, 'name') and path[:1] == '/' and names_of(path[1:].encode()) is not None, 'root')
    check_tree([((one['root'], *names_of(one['path'])), one['kind']) for one in entries])
    for one in entries:
        kind, length = one['kind'], sum(reference[3] for reference in one.get('extents', []))
        has = {name for name in ('sha256', 'extents', 'target') if name in one}
        need(has == {'link': {'target'}, 'directory': set()}.get(kind, {'sha256', 'extents'}), 'entry: fields')
        need(one['size'] == (len(one['target']) if kind == 'link' else length), 'entry: size')
        need(one['root'] in roots and one['mode'] <= 0o7777 and one['size'] < 1 << 53, 'entry')
        need(kind != 'link' or one['size'] > 0 and b'\0' not in one['target'], 'entry: target')

class Store:
    def __init__(self, path, text):
        self.path, self.faults = path, []
        record = self.read('vault/record')
        self.vault = decode_as(decode_as(record, 'statement')['b'], 'record')['vault']
        slots = self.slots()
        secret = max(secrets_in(slots, self.vault, text), key=lambda one: one['epoch'], default=None)
        need(secret, 'This opens no slot of the store.')
        root = public_of(Ed25519PrivateKey.from_private_bytes(secret['root']))
        need(sha256(root)[:16].hex() == self.vault, 'slot: of another vault')
        self.record = read_statement(record, 'vault-record', 'record', root)
        need(self.record['vault'] == self.vault, 'record: of another vault')
        self.root, self.newest = root, secret['epoch']
        self.pairs = {secret['epoch']: X25519PrivateKey.from_private_bytes(secret['sealing'])}

    def slots(self):
        found = []
        for name in self.names('vault/', 'slot-'):
            try:
                found.append(decode_as(self.read(name), 'passphrase slot', 'recovery slot', 'handover slot'))
            except Damaged as damage:
                pass_over(damage)
        return found

    def read(self, name):
        with open(os.path.join(self.path, name), 'rb') as file:
            data = file.read()
        digits = re.search('[0-9a-f]{64}$', name)
        need(digits is None or sha256(data).hex() == digits[0], name + ': not what its name says')
        return data

    def names(self, folder, prefix):
        there = sorted(os.listdir(os.path.join(self.path, folder)))
        return [folder + name for name in there if re.fullmatch(prefix + '[0-9a-f]{64}', name)]

    def pair_of(self, epoch):
        """The sealing key of an epoch: each that has ended is sealed to the one after it."""
        need(1 <= epoch <= self.newest, f'epoch {epoch}: of no slot')
        if epoch not in self.pairs:
            after = self.pair_of(epoch + 1)
            ended = read_statement(self.read(f'vault/epoch-{epoch}'), 'epoch', 'epoch', self.root)
            need(ended['vault'] == self.vault and ended['epoch'] == epoch, f'epoch {epoch}: another one')
            scalar = open_sealed(after, 'epoch', {'vault': self.vault, 'epoch': epoch}, ended['sealed'])
            self.pairs[epoch] = X25519PrivateKey.from_private_bytes(scalar)
            need(public_of(self.pairs[epoch]) == ended['sealing'], f'epoch {epoch}: another key')
        return self.pairs[epoch]

    def snapshots(self):
        """Of each that is whole: id, header, whether its node is confirmed; in the order of their chains."""
        listed, found, places = self.record['nodes'] + self.record.get('retired', []), [], {}
        for path in self.names('snapshots/', ''):
            try:
                data = self.read(path)
                signer = decode_as(data, 'statement')['k']
                header = read_statement(data, 'snapshot', 'header', signer)
                need(header['vault'] == self.vault and header['seq'] > 0, path + ': of another vault')
            except Damaged as damage:
                self.faults.append(str(damage))
                continue
            # What a stranger signs in a node's name says nothing of the node's own chain.
            chain = header['node'], signer
            places.setdefault((*chain, header['seq']), []).append(path[-64:])
            found.append((path[-64:], header, {'id': header['node'], 'key': signer} in listed, chain))
        for name, header, _, chain in found:
            beside, before = (places.get((*chain, header['seq'] - n), []) for n in (0, 1))
            if (len(beside) > 1 or any(one != header['prev'] for one in before)
                    or (header['prev'] is None) != (header['seq'] == 1)):
                self.faults.append(name + ': not in one chain with the others')
        found.sort(key=lambda one: (not one[2], one[3], one[1]['seq']))
        return [one[:3] for one in found]

    def open(self, header):
        return Snapshot(header, self.pair_of, lambda name: self.read(f'{name.hex()[:2]}/{name.hex()}'))

def restore(snapshot, into):
    """Writes each entry below `into` at the path it had on the node."""
    placed = sorted((((*names_of(snapshot.roots[one['root']][1:].encode()), *names_of(one['path'])), one)
                    for one in snapshot.entries), key=lambda one: one[0])
    check_tree([(names, one['kind']) for names, one in placed])
    draft = os.fsencode(into) + b'.unfinished'
    os.mkdir(draft, 0o700)
    placed = [(os.path.join(draft, *names), one) for names, one in placed]
    for place, one in placed:
        os.makedirs(place if one['kind'] == 'directory' else os.path.dirname(place), 0o700, exist_ok=True)
        if one['kind'] in ('file', 'database'):
            with open(place, 'xb') as file:
                file.writelines(snapshot.content(one))
    for place, one in placed:
        if one['kind'] == 'link':
            os.symlink(one['target'], place)
    for place, one in reversed(placed):
        if one['kind'] != 'link':
            os.chmod(place, one['mode'])
        time = round(max(-2**43, min(one['modifiedAt'], 2**43)) * 1000) * 1000
        os.utime(place, ns=(time, time), follow_symlinks=False)
    os.rename(draft, into)

def verify(snapshot):
    """Every segment of every pack, and every entry: reading them is what checks them."""
    for name in snapshot.known:
        for number in range(len(snapshot.pack(name).rows)):
            snapshot.segment(name, number)
    for one in snapshot.entries:
        sum(map(len, snapshot.content(one) if 'extents' in one else ()))

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--unconfirmed', action='store_true')
    parser.add_argument('act', choices=['list', 'verify', 'restore'])
    for name, count in ('store', None), ('snapshot', '?'), ('into', '?'):
        parser.add_argument(name, nargs=count)
    asked = parser.parse_args()
    store = Store(asked.store, sys.stdin.readline().rstrip('\n'))
    chosen = [one for one in store.snapshots() if asked.snapshot in (None, one[0])]
    need(chosen and (asked.act != 'restore' or asked.into), 'There is no such snapshot, or no place to restore it to.')
    done = 0
    for name, header, confirmed in chosen:
        print(name, header['node'], header['seq'], header['finishedAt'], 'confirmed' if confirmed else 'unconfirmed')
        if asked.act != 'list' and not confirmed and not asked.unconfirmed:
            store.faults.append(name + ': nobody has confirmed its node')
        elif asked.act != 'list':
            snapshot = store.open(header)
            restore(snapshot, asked.into) if asked.act == 'restore' else verify(snapshot)
            done += 1
    for fault in store.faults:
        pass_over(fault)
    return 1 if asked.act == 'verify' and store.faults or asked.act == 'restore' and not done else 0

if __name__ == '__main__':
    try:
        sys.exit(main())
    except (Damaged, OSError) as damage:
        sys.exit(f'read_store: {damage}')
