#!/usr/bin/python3
"""Checks the vectors beside it against format.md: what `read_store.py` reads, and what only a writer does."""
import ast
import json
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import read_store as reader
from read_store import need, sha256

CHECKED = 0


def same(found, wanted, what):
    global CHECKED
    CHECKED += 1
    need(found == wanted, f'{what}: {found!r} is not {wanted!r}')


def refused(work, what):
    try:
        work()
    except reader.Damaged:
        same(True, True, what)
        return
    raise reader.Damaged(what + ': not refused')


def value_of(shown):
    if isinstance(shown, dict) and list(shown) == ['bytes']:
        return bytes.fromhex(shown['bytes'])
    if isinstance(shown, dict):
        return {key: value_of(one) for key, one in shown.items()}
    return [value_of(one) for one in shown] if isinstance(shown, list) else shown


def stream(label, length):
    count = range(-(-length // 32))
    return b''.join(sha256(label.encode() + n.to_bytes(4, 'big')) for n in count)[:length]


def padme(length):
    if length < 2:
        return length
    e = length.bit_length() - 1
    step = 1 << max(e - e.bit_length(), 0)
    return -(-length // step) * step


def gear_of(id_key):
    table = reader.hkdf(id_key, b'', b'ocm/1 gear', 1024)
    return [int.from_bytes(table[at:at + 4], 'big', signed=True) for at in range(0, 1024, 4)]


def cut(gear, data, start):
    rest = len(data) - start
    if rest <= 16384:
        return len(data)
    value = 0
    for n in range(16384, min(rest, 262144)):
        value = ((value << 1) + gear[data[start + n]]) & 0xFFFFFFFF
        if value >> (14 if n < 65536 else 18) == 0:
            return start + n + 1
    return start + min(rest, 262144)


def check_values(vectors):
    for one in vectors['cbor']:
        same(reader.encode(value_of(one['value'])).hex(), one['hex'], 'CBOR')
        same(reader.encode(reader.decode(bytes.fromhex(one['hex']), 'CBOR')).hex(), one['hex'], 'CBOR')
    for what, data in vectors['cborRefused'].items():
        refused(lambda: reader.decode(bytes.fromhex(data), 'CBOR'), what)
    for length, padded in vectors['padme']:
        same(padme(length), padded, 'padme')
    label = vectors['stream']['label']
    same(stream(label, 64).hex(), vectors['stream']['first'], 'stream')
    extents = vectors['extents']
    id_key = bytes.fromhex(extents['idKey'])
    gear, data = gear_of(id_key), stream(label, extents['bytes'])
    same(gear[:8], extents['gear'], 'gear')
    for name, wanted in extents['ids'].items():
        key = reader.hkdf(id_key, b'', b'ocm/1 extent id ' + name.encode())
        found = reader.hmac.digest(key, bytes.fromhex(extents['sha256']), 'sha256')
        same(found.hex(), wanted, 'id of an extent')
    at = 0
    for wanted in extents['cuts']:
        at = cut(gear, data, at)
        same(at, wanted, 'cut')
    same(at, extents['bytes'], 'cuts')
    pieces = [sha256(data[at:min(at + 16384, 40000)]) for at in range(0, 40000, 16384)]
    same(sha256(b''.join(pieces)).hex(), vectors['database']['sha256'], 'hash of a database')
    check_sealed(vectors['sealTo'])
    one = vectors['statement']
    statement = bytes.fromhex(one['statement'])
    same(sha256(statement).hex(), one['id'], 'id of a statement')
    reader.SHAPES['a body'] = {'v': '1', 'name': 'text'}
    signer = bytes.fromhex(one['public'])
    same(reader.read_statement(statement, one['kind'], 'a body', signer), one['body'], 'body')
    refused(lambda: reader.read_statement(statement, 'epoch', 'a body', signer), 'statement of another kind')


def check_sealed(one):
    sealed = bytes.fromhex(one['sealed'])
    for recipient in one['recipients']:
        pair = reader.X25519PrivateKey.from_private_bytes(bytes.fromhex(recipient['secret']))
        same(reader.public_of(pair).hex(), recipient['public'], 'recipient')
        same(reader.open_sealed(pair, one['use'], one['context'], sealed).hex(), one['plain'], 'sealed')
        refused(lambda: reader.open_sealed(pair, 'grant', one['context'], sealed), 'sealed for another use')
        other = {**one['context'], 'epoch': 2}
        refused(lambda: reader.open_sealed(pair, one['use'], other, sealed), 'sealed in another context')
    associated = b'ocm/1 seal ' + one['use'].encode() + b'\0' + reader.encode(one['context'])
    ephemeral = reader.X25519PrivateKey.from_private_bytes(bytes.fromhex(one['ephemeral']))
    content, rows = bytes.fromhex(one['contentKey']), []
    seal = lambda key, plain: reader.ChaCha20Poly1305(key).encrypt(bytes(12), plain, associated)
    for recipient in one['recipients']:
        public = bytes.fromhex(recipient['public'])
        shared = ephemeral.exchange(reader.X25519PublicKey.from_public_bytes(public))
        key = reader.hkdf(shared, reader.public_of(ephemeral) + public, associated)
        rows.append([public, seal(key, content)])
    made = {'e': reader.public_of(ephemeral), 'w': rows, 'c': seal(content, bytes.fromhex(one['plain']))}
    same(reader.encode(made).hex(), one['sealed'], 'sealTo')


def check_store(vectors, folder):
    for name, data in vectors['files'].items():
        os.makedirs(os.path.join(folder, os.path.dirname(name)), exist_ok=True)
        with open(os.path.join(folder, name), 'wb') as file:
            file.write(bytes.fromhex(data))
    for who, slot in vectors['slots'].items():
        store = reader.Store(folder, slot['opensWith'])
        same(store.vault, vectors['vault']['id'], who)
        for epoch in vectors['vault']['epochs']:
            same(reader.public_of(store.pair_of(epoch['epoch'])).hex(), epoch['sealing']['public'], who)
    refused(lambda: reader.Store(folder, 'another passphrase'), 'another passphrase')
    found = store.snapshots()
    same([one[0] for one in found], [one['id'] for one in vectors['snapshots']], 'snapshots')
    for (_, header, confirmed), wanted in zip(found, vectors['snapshots']):
        same(confirmed, True, 'confirmed')
        same(header, value_of(wanted['header']), 'header')
        snapshot = store.open(header)
        same(reader.encode(snapshot.root).hex(), wanted['root'], 'root')
        for pack in wanted['packs']:
            same(snapshot.pack(bytes.fromhex(pack['id'])).key.hex(), pack['key'], 'pack key')
        by_place = {(one['root'], one['path'].hex()): one for one in snapshot.entries}
        same(len(by_place), len(wanted['entries']), 'entries')
        for one in wanted['entries']:
            entry = by_place[one['root'], one['path']]
            if 'sha256' in one:
                same(sha256(b''.join(snapshot.content(entry))).hex(), one['sha256'], 'content')
        reader.verify(snapshot)


def check_page():
    """The reader knows no field and no label that the page does not name."""
    with open(os.path.join(HERE, '..', 'format.md'), encoding='utf8') as file:
        page = file.read()
    with open(reader.__file__, encoding='utf8') as file:
        constants = [node.value for node in ast.walk(ast.parse(file.read())) if isinstance(node, ast.Constant)]
    labels = {one.decode().rstrip('\0') for one in constants if isinstance(one, bytes) and one[:3].lower() == b'ocm'}
    fields = {name.rstrip('?') for shape in reader.SHAPES.values() for name in shape}
    for word in labels | fields:
        need(word in page, word + ': not on the page')
        same(True, True, word)


def load(name):
    with open(os.path.join(HERE, name), encoding='utf8') as file:
        return json.load(file)


if __name__ == '__main__':
    try:
        check_page()
        check_values(load('format.json'))
        with tempfile.TemporaryDirectory() as scratch:
            check_store(load('store.json'), scratch)
    except reader.Damaged as damage:
        sys.exit(f'check: {damage}')
    print(f'{CHECKED} values agree')
