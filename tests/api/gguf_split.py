"""Splits a GGUF file into parts, as the tools do that publish large models."""
import struct

# Bytes of a scalar by its type's number; 8 is a string, 9 an array.
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
ALIGNMENT = 32


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, code):
        (value,) = struct.unpack_from("<" + code, self.data, self.at)
        self.at += struct.calcsize("<" + code)
        return value

    def text(self):
        size = self.take("Q")
        self.at += size
        return self.data[self.at - size:self.at]

    def skip(self, kind):
        if kind == 8:
            self.text()
        elif kind == 9:
            element, count = self.take("I"), self.take("Q")
            if element == 8:
                for _ in range(count):
                    self.text()
            else:
                self.at += count * SIZES[element]
        else:
            self.at += SIZES[kind]


def text(value):
    return struct.pack("<Q", len(value)) + value


def split(source, stem, count):
    """Writes STEM-00001-of-0000N.gguf and so on and returns the first one's path."""
    reader = Reader(source.read_bytes())
    assert reader.data[:4] == b"GGUF"
    reader.at = 8
    tensor_count, entry_count = reader.take("Q"), reader.take("Q")
    begin = reader.at
    for _ in range(entry_count):
        reader.text()
        reader.skip(reader.take("I"))
    entries = reader.data[begin:reader.at]
    assert b"general.alignment" not in entries
    tensors = []
    for _ in range(tensor_count):
        name, dimensions = reader.text(), reader.take("I")
        shape = [reader.take("Q") for _ in range(dimensions)]
        tensors.append((name, shape, reader.take("I"), reader.take("Q")))
    data = (reader.at + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
    ends = sorted(offset for *_, offset in tensors)[1:] + [len(reader.data) - data]
    sizes = dict(zip(sorted(offset for *_, offset in tensors), ends))
    share = (tensor_count + count - 1) // count
    for part in range(count):
        own = tensors[part * share:(part + 1) * share]
        said = b"".join(text(key) + struct.pack("<IH" if kind == 2 else "<Ii", kind, value) for key, kind, value in (
            (b"split.no", 2, part), (b"split.count", 2, count), (b"split.tensors.count", 5, tensor_count)))
        kept = entries + said if part == 0 else said
        header = b"GGUF" + struct.pack("<IQQ", 3, len(own), 3 + (entry_count if part == 0 else 0)) + kept
        body = b""
        for name, shape, kind, offset in own:
            header += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, len(body))
            body += reader.data[data + offset:data + sizes[offset]]
            body += bytes(-len(body) % ALIGNMENT)
        header += bytes(-len(header) % ALIGNMENT)
        path = stem.parent / f"{stem.name}-{part + 1:05}-of-{count:05}.gguf"
        path.write_bytes(header + body)
    return stem.parent / f"{stem.name}-00001-of-{count:05}.gguf"
