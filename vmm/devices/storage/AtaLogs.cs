using System.Buffers.Binary;

namespace Gauntlet.Vmm.Devices.Storage;

/// <summary>Pages that READ LOG EXT answers with: the directory of logs, and why a queued command failed.</summary>
/// <remarks>ATA/ATAPI-7 volume 1, A.2 (general purpose log directory); Serial ATA 2.6, 13.7 (log page 10h).</remarks>
internal static class AtaLogs
{
    /// <summary>Addresses of logs.</summary>
    public const byte Directory = 0, QueuedErrors = 0x10;

    /// <summary>In bytes.</summary>
    public const int PageBytes = 512;

    private const byte NotQueued = 0x80, TagMask = 0x1f;
    private const int TagShift = 3;

    /// <summary>Says of each log, by a word at its address, how many pages it has.</summary>
    public static void WriteDirectory(Span<byte> page)
    {
        const ushort version = 1, queuedErrorPages = 1;
        page[..PageBytes].Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(page, version);
        BinaryPrimitives.WriteUInt16LittleEndian(page[(QueuedErrors * 2)..], queuedErrorPages);
    }

    /// <summary>The page when no queued command has failed.</summary>
    public static void WriteNoQueuedError(Span<byte> page)
    {
        page[..PageBytes].Clear();
        page[0] = NotQueued;
        SetChecksum(page);
    }

    /// <summary>The page for a drive whose last command was queued, and has failed.</summary>
    public static byte[] QueuedErrorOf(AtaDrive drive)
    {
        var page = new byte[PageBytes];
        page[0] = (byte)(drive.Read(2, false) >> TagShift & TagMask);
        (page[2], page[3]) = (drive.Status, drive.Read(1, false));
        for (var register = 3; register <= 5; register++)
            (page[register + 1], page[register + 5]) = (drive.Read(register, false), drive.Read(register, true));
        (page[7], page[12], page[13]) = (drive.Read(6, false), drive.Read(2, false), drive.Read(2, true));
        SetChecksum(page);
        return page;
    }

    // All bytes together are 0.
    private static void SetChecksum(Span<byte> page)
    {
        byte sum = 0;
        foreach (var value in page[..(PageBytes - 1)])
            sum += value;
        page[PageBytes - 1] = (byte)-sum;
    }
}
