using System.Buffers.Binary;

namespace Gauntlet.Vmm.Network;

/// <summary>Writes frames to a file that Wireshark and tcpdump read. From any thread.</summary>
/// <remarks>The libpcap file format, version 2.4, microseconds, link type Ethernet (draft-ietf-opsawg-pcap); the time is the host's.</remarks>
public sealed class FrameDump : IDisposable
{
    /// <summary>Bytes kept of a frame unless told otherwise, as QEMU's filter-dump does.</summary>
    public const int DefaultKeptBytes = 65_536;

    private const int FileHeaderBytes = 24, RecordHeaderBytes = 16;
    private const uint Magic = 0xa1b2c3d4, Ethernet = 1;

    private readonly Lock _gate = new();
    private readonly FileStream _file;
    private readonly int _keptBytes;
    private readonly byte[] _header = new byte[RecordHeaderBytes];

    /// <param name="path">Written anew.</param>
    /// <param name="keptBytes">Of each frame, at most; at least 1.</param>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It must not be written.</exception>
    public FrameDump(string path, int keptBytes = DefaultKeptBytes)
    {
        _keptBytes = keptBytes;
        // Unbuffered, so that nothing is missing when the machine comes to a sudden end.
        _file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        var header = new byte[FileHeaderBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(header, Magic);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(4), 2);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(6), 4);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(16), keptBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(20), Ethernet);
        _file.Write(header);
    }

    /// <summary>Adds a frame; a disk that is full ends the dump, not the machine.</summary>
    public void Add(ReadOnlySpan<byte> frame)
    {
        var now = DateTime.UtcNow - DateTime.UnixEpoch;
        lock (_gate)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(_header, (uint)(now.Ticks / TimeSpan.TicksPerSecond));
            BinaryPrimitives.WriteUInt32LittleEndian(_header.AsSpan(4), (uint)(now.Ticks % TimeSpan.TicksPerSecond / TimeSpan.TicksPerMicrosecond));
            var kept = frame[..Math.Min(frame.Length, _keptBytes)];
            BinaryPrimitives.WriteInt32LittleEndian(_header.AsSpan(8), kept.Length);
            BinaryPrimitives.WriteInt32LittleEndian(_header.AsSpan(12), frame.Length);
            try
            {
                _file.Write(_header);
                _file.Write(kept);
            }
            catch (Exception why) when (why is IOException or ObjectDisposedException)
            {
            }
        }
    }

    public void Dispose()
    {
        lock (_gate)
            _file.Dispose();
    }
}
