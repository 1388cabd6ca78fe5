using System.Buffers.Binary;
using System.Text;

namespace Gauntlet.Vmm.Boot;

/// <summary>Writes ACPI Machine Language: the few terms that this machine's tables need.</summary>
/// <remarks>ACPI Specification 6.4, 20.2. Package lengths are known when a block's body has been written, so blocks take it as an action.</remarks>
internal sealed class AmlWriter
{
    private const byte NameOp = 0x08, ByteOp = 0x0a, WordOp = 0x0b, DwordOp = 0x0c, QwordOp = 0x0e, ScopeOp = 0x10, BufferOp = 0x11,
        PackageOp = 0x12, MethodOp = 0x14, RootPrefix = 0x5c, DualName = 0x2e, ExtendedPrefix = 0x5b, DeviceOp = 0x82, Argument0 = 0x68, StoreOp = 0x70,
        IfOp = 0xa0, ReturnOp = 0xa4, StringPrefix = 0x0d, RegionOp = 0x80, FieldOp = 0x81, Local0 = 0x60, AndOp = 0x7b, NotifyOp = 0x86;

    // Of a field: accesses of 4 bytes, no lock, bits that are not written are preserved (20.2.5.2).
    private const byte DwordAccess = 3;

    private const byte SystemMemory = 0;

    private readonly List<byte> _bytes = [];

    public byte[] ToArray() => [.. _bytes];

    /// <summary><c>Scope (name) { body }</c></summary>
    public AmlWriter Scope(string name, Action<AmlWriter> body) => Block([ScopeOp], inner => body(inner.NameString(name)));

    /// <summary><c>Device (name) { body }</c></summary>
    public AmlWriter Device(string name, Action<AmlWriter> body) => Block([ExtendedPrefix, DeviceOp], inner => body(inner.NameString(name)));

    /// <summary><c>Method (name, arguments) { body }</c></summary>
    /// <param name="arguments">0 to 7.</param>
    public AmlWriter Method(string name, int arguments, Action<AmlWriter> body) => Block([MethodOp], inner =>
    {
        inner.NameString(name)._bytes.Add((byte)arguments);
        body(inner);
    });

    /// <summary><c>If (name) { body }</c>: the object of that name is not 0.</summary>
    public AmlWriter If(string name, Action<AmlWriter> body) => Block([IfOp], inner => body(inner.NameString(name)));

    /// <summary><c>Return (name)</c></summary>
    public AmlWriter Return(string name)
    {
        _bytes.Add(ReturnOp);
        return NameString(name);
    }

    /// <summary><c>Store (Arg0, name)</c></summary>
    public AmlWriter StoreArgument(string name)
    {
        _bytes.AddRange([StoreOp, Argument0]);
        return NameString(name);
    }

    /// <summary><c>Store (name, Local0)</c></summary>
    public AmlWriter LoadLocal(string name)
    {
        _bytes.Add(StoreOp);
        NameString(name)._bytes.Add(Local0);
        return this;
    }

    /// <summary><c>If (And (Local0, mask)) { body }</c></summary>
    public AmlWriter IfLocalHas(ulong mask, Action<AmlWriter> body) => Block([IfOp], inner =>
    {
        inner._bytes.AddRange([AndOp, Local0]);
        // No target for the result.
        inner.Integer(mask)._bytes.Add(0);
        body(inner);
    });

    /// <summary><c>Notify (name, value)</c></summary>
    public AmlWriter Notify(string name, byte value)
    {
        _bytes.Add(NotifyOp);
        return NameString(name).Integer(value);
    }

    /// <summary><c>OperationRegion (region, SystemMemory, address, 4)</c>, with one field of 32 bits in it.</summary>
    /// <param name="field">Four characters.</param>
    public AmlWriter MemoryField(string region, ulong address, string field)
    {
        _bytes.AddRange([ExtendedPrefix, RegionOp]);
        NameString(region)._bytes.Add(SystemMemory);
        Integer(address).Integer(sizeof(uint));
        // A field's length is in bits, in the form of a package's.
        return Block([ExtendedPrefix, FieldOp], inner => inner.NameString(region)._bytes.AddRange([DwordAccess, .. Encoding.ASCII.GetBytes(field), 8 * sizeof(uint)]));
    }

    /// <summary>An ASCII string.</summary>
    public AmlWriter Text(string text)
    {
        _bytes.AddRange([StringPrefix, .. Encoding.ASCII.GetBytes(text), 0]);
        return this;
    }

    /// <summary><c>Name (name, …)</c>: what is written next is its value.</summary>
    public AmlWriter Name(string name)
    {
        _bytes.Add(NameOp);
        return NameString(name);
    }

    /// <summary>An integer in the shortest form.</summary>
    public AmlWriter Integer(ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        switch (value)
        {
            case 0 or 1:
                _bytes.Add((byte)value);
                break;
            case <= byte.MaxValue:
                Add(ByteOp, bytes[..1]);
                break;
            case <= ushort.MaxValue:
                Add(WordOp, bytes[..2]);
                break;
            case <= uint.MaxValue:
                Add(DwordOp, bytes[..4]);
                break;
            default:
                Add(QwordOp, bytes);
                break;
        }
        return this;
    }

    /// <summary><c>Package () { … }</c></summary>
    /// <param name="count">Elements that the body writes; at most 255.</param>
    public AmlWriter Package(int count, Action<AmlWriter> body) => Block([PackageOp], inner =>
    {
        inner._bytes.Add((byte)count);
        body(inner);
    });

    /// <summary><c>Buffer () { … }</c> with these bytes.</summary>
    public AmlWriter Buffer(ReadOnlySpan<byte> content)
    {
        var copy = content.ToArray();
        return Block([BufferOp], inner =>
        {
            inner.Integer((ulong)copy.Length);
            inner._bytes.AddRange(copy);
        });
    }

    /// <summary>EISA ID of seven characters as an integer (19.6.38): <c>PNP0A03</c>.</summary>
    public AmlWriter EisaId(string id)
    {
        var manufacturer = (id[0] - '@') << 10 | (id[1] - '@') << 5 | (id[2] - '@');
        var product = Convert.ToUInt16(id[3..], 16);
        return Integer(BinaryPrimitives.ReverseEndianness((uint)manufacturer << 16 | product));
    }

    private void Add(byte prefix, ReadOnlySpan<byte> bytes)
    {
        _bytes.Add(prefix);
        foreach (var value in bytes)
            _bytes.Add(value);
    }

    // 20.2.2: segments of four characters, a backslash for the root, two segments behind a prefix.
    private AmlWriter NameString(string name)
    {
        if (name[0] == '\\')
            _bytes.Add(RootPrefix);
        var segments = name.TrimStart('\\').Split('.');
        if (segments.Length == 2)
            _bytes.Add(DualName);
        foreach (var segment in segments)
            _bytes.AddRange(Encoding.ASCII.GetBytes(segment.PadRight(4, '_')));
        return this;
    }

    // 20.2.4: the length counts its own bytes: one up to 63, then a nibble and up to three bytes.
    private AmlWriter Block(ReadOnlySpan<byte> operation, Action<AmlWriter> body)
    {
        var inner = new AmlWriter();
        foreach (var value in operation)
            _bytes.Add(value);
        body(inner);
        var extra = inner._bytes.Count + 1 < 0x40 ? 0 : inner._bytes.Count + 2 < 0x1000 ? 1 : 2;
        var length = inner._bytes.Count + 1 + extra;
        _bytes.Add((byte)(extra == 0 ? length : extra << 6 | length & 0xf));
        for (var i = 0; i < extra; i++)
            _bytes.Add((byte)(length >> (4 + 8 * i)));
        _bytes.AddRange(inner._bytes);
        return this;
    }
}
