using System.Buffers.Binary;

namespace Gauntlet.Vmm.Devices.Virtio;

/// <summary>VIRTIO_VSOCK_OP_*.</summary>
internal enum VsockOperation : ushort
{
    Request = 1,
    Response = 2,
    Reset = 3,
    Shutdown = 4,
    Data = 5,
    CreditUpdate = 6,
    CreditRequest = 7,
}

/// <summary>VIRTIO_VSOCK_SHUTDOWN_F_*: what the sender does no more.</summary>
[Flags]
internal enum VsockShutdown : uint
{
    None = 0,
    Receive = 1,
    Send = 2,
    Both = 3,
}

/// <summary>The header of a packet, little endian.</summary>
/// <remarks>VIRTIO 1.2, 5.10.6, struct virtio_vsock_hdr.</remarks>
internal readonly record struct VsockPacket
{
    public const int Bytes = 44;

    /// <summary>Of a stream socket; there is another one for SEQPACKET, which is not offered.</summary>
    public const ushort TypeStream = 1;

    public ulong SourceCid { get; init; }

    public ulong DestinationCid { get; init; }

    public uint SourcePort { get; init; }

    public uint DestinationPort { get; init; }

    /// <summary>Bytes of data behind the header.</summary>
    public uint Length { get; init; }

    public ushort Type { get; init; }

    public VsockOperation Operation { get; init; }

    /// <summary>Of <see cref="VsockOperation.Shutdown"/>.</summary>
    public VsockShutdown Flags { get; init; }

    /// <summary>Bytes that the sender has room for in all.</summary>
    public uint BufferBytes { get; init; }

    /// <summary>Bytes that the sender's program has taken so far, free running.</summary>
    public uint Forwarded { get; init; }

    /// <param name="header">At least <see cref="Bytes"/>.</param>
    public static VsockPacket Read(ReadOnlySpan<byte> header) => new()
    {
        SourceCid = BinaryPrimitives.ReadUInt64LittleEndian(header),
        DestinationCid = BinaryPrimitives.ReadUInt64LittleEndian(header[8..]),
        SourcePort = BinaryPrimitives.ReadUInt32LittleEndian(header[16..]),
        DestinationPort = BinaryPrimitives.ReadUInt32LittleEndian(header[20..]),
        Length = BinaryPrimitives.ReadUInt32LittleEndian(header[24..]),
        Type = BinaryPrimitives.ReadUInt16LittleEndian(header[28..]),
        Operation = (VsockOperation)BinaryPrimitives.ReadUInt16LittleEndian(header[30..]),
        Flags = (VsockShutdown)BinaryPrimitives.ReadUInt32LittleEndian(header[32..]),
        BufferBytes = BinaryPrimitives.ReadUInt32LittleEndian(header[36..]),
        Forwarded = BinaryPrimitives.ReadUInt32LittleEndian(header[40..]),
    };

    public void Write(Span<byte> header)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(header, SourceCid);
        BinaryPrimitives.WriteUInt64LittleEndian(header[8..], DestinationCid);
        BinaryPrimitives.WriteUInt32LittleEndian(header[16..], SourcePort);
        BinaryPrimitives.WriteUInt32LittleEndian(header[20..], DestinationPort);
        BinaryPrimitives.WriteUInt32LittleEndian(header[24..], Length);
        BinaryPrimitives.WriteUInt16LittleEndian(header[28..], Type);
        BinaryPrimitives.WriteUInt16LittleEndian(header[30..], (ushort)Operation);
        BinaryPrimitives.WriteUInt32LittleEndian(header[32..], (uint)Flags);
        BinaryPrimitives.WriteUInt32LittleEndian(header[36..], BufferBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(header[40..], Forwarded);
    }
}
