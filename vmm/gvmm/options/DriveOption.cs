using Gauntlet.Vmm.Storage;

namespace Gauntlet.Vmm.Program.Options;

/// <summary>What comes with a <c>-drive</c>: its <c>if=</c>.</summary>
public enum DriveInterface
{
    /// <summary>Nothing: a device of <c>-device</c> names it.</summary>
    None,
    Virtio,
    Ide,

    /// <summary>The firmware itself.</summary>
    Pflash,
}

/// <summary>One <c>-drive</c>: a disk's content, to be used by a device of <c>-device</c>, or at once by one that comes with it.</summary>
/// <param name="Id">What <c>drive=</c> refers to; empty when nothing can.</param>
/// <param name="File">A path; <c>null-co://</c> for a disk in memory that nothing outlives; <c>blkdebug:RULES:PATH</c> for one whose requests fail by rules.</param>
/// <param name="Format">As its format property says; null when it is to be found out.</param>
/// <param name="ReadOnly">The guest cannot write.</param>
/// <param name="Interface">What comes with it.</param>
public sealed record DriveOption(string Id, string File, string? Format, bool ReadOnly, DriveInterface Interface)
{
    private const int MaxIndex = 3;

    /// <summary>The drive is a CD-ROM drive.</summary>
    public bool IsCdRom { get; init; }

    /// <summary>Which of a PC's four IDE drives it is: two on each bus; null for the next.</summary>
    public int? Index { get; init; }

    /// <summary>A virtio disk comes with it.</summary>
    public bool IsVirtio => Interface == DriveInterface.Virtio;
    /// <summary>When what the guest writes is on the host's disk.</summary>
    public BlockCache Cache { get; init; }

    /// <summary>What the guest discards is given back to the host.</summary>
    public bool Discards { get; init; } = true;

    /// <summary>What follows when the host cannot read.</summary>
    public BlockErrorAction OnReadError { get; init; }

    /// <summary>What follows when the host cannot write.</summary>
    public BlockErrorAction OnWriteError { get; init; }

    /// <summary>What the guest writes is gone with the machine.</summary>
    public bool IsSnapshot { get; init; }

    /// <summary>Bytes of a <c>null-co://</c> disk.</summary>
    public long NullBytes { get; init; } = 1L << 30;

    /// <exception cref="OptionException">Something that is not known, or no file.</exception>
    public static DriveOption Parse(string argument)
    {
        var list = new PropertyList("-drive", argument, null);
        var (id, file, format) = (list.Take("id"), list.Take("file"), list.Take("format"));
        var readOnly = list.TakeSwitch("readonly") ?? list.TakeSwitch("read-only") ?? false;
        var name = list.Take("if") ?? "none";
        var media = list.Take("media") ?? "disk";
        var index = Number("index", MaxIndex);
        var (bus, unit) = (Number("bus", 1), Number("unit", 1));
        var cache = list.Take("cache") switch
        {
            // Whether the host's page cache lies between changes no result.
            null or "writeback" or "none" => BlockCache.Writeback,
            "writethrough" or "directsync" => BlockCache.Writethrough,
            "unsafe" => BlockCache.Unsafe,
            var other => throw new OptionException($"-drive cache={other}: there are writeback, none, writethrough, directsync and unsafe"),
        };
        var discards = list.Take("discard") switch
        {
            null or "unmap" or "on" => true,
            "ignore" or "off" => false,
            var other => throw new OptionException($"-drive discard={other}: there are unmap and ignore"),
        };
        var (onReadError, onWriteError) = (ErrorAction("-drive rerror", list.Take("rerror")), ErrorAction("-drive werror", list.Take("werror")));
        var snapshot = list.TakeSwitch("snapshot") ?? false;
        var size = list.Take("size") ?? list.Take("file.size");
        if (size is not null && file != "null-co://")
            throw new OptionException($"-drive size={size}: a file has its own; it is for null-co://");
        // A disk that reads as nothing reads as zeros here in any case.
        _ = list.TakeSwitch("read-zeroes");
        _ = list.TakeSwitch("file.read-zeroes");
        _ = list.TakeSwitch("auto-read-only");
        _ = list.Take("aio");
        list.ExpectEmpty("file, id, if, format, readonly, snapshot, media, index, bus, unit, cache, discard, aio, size, rerror, werror");
        if (string.IsNullOrEmpty(file))
            throw new OptionException($"-drive {argument}: no file given");
        var device = name switch
        {
            "none" => DriveInterface.None,
            "virtio" => DriveInterface.Virtio,
            "ide" => DriveInterface.Ide,
            "pflash" => DriveInterface.Pflash,
            _ => throw new OptionException($"-drive if={name}: there are none, virtio, ide and pflash"),
        };
        if (device == DriveInterface.None && string.IsNullOrEmpty(id))
            throw new OptionException($"-drive {argument}: with if=none a device finds it by its id=, and there is none");
        if (format is not (null or "raw" or "qcow2"))
            throw new OptionException($"-drive format={format}: there are raw and qcow2");
        if (media is not ("disk" or "cdrom"))
            throw new OptionException($"-drive media={media}: there are disk and cdrom");
        var drive = new DriveOption(id ?? "", file, format, readOnly || media == "cdrom", device)
        {
            Cache = cache,
            Discards = discards,
            OnReadError = onReadError,
            OnWriteError = onWriteError,
            IsSnapshot = snapshot,
            IsCdRom = media == "cdrom",
            Index = index ?? (bus is null && unit is null ? null : (bus ?? 0) * 2 + (unit ?? 0)),
        };
        return size is null ? drive : drive with { NullBytes = NullSize(size) };

        int? Number(string key, int max) => list.Take(key) is { } text ? Numbers.Count($"-drive {key}", text, 0, max) : null;
    }

    /// <summary>The value of <c>rerror=</c> or <c>werror=</c>.</summary>
    /// <exception cref="OptionException">There is no such action.</exception>
    internal static BlockErrorAction ErrorAction(string option, string? text) => text switch
    {
        null or "report" => BlockErrorAction.Report,
        "ignore" => BlockErrorAction.Ignore,
        "stop" => BlockErrorAction.Stop,
        _ => throw new OptionException($"{option}={text}: there are report, ignore and stop"),
    };

    private static long NullSize(string text)
    {
        var bytes = Numbers.Size("-drive size", text, 1);
        return bytes % 512 == 0 ? (long)bytes : throw new OptionException($"-drive size={text}: not whole sectors of 512 bytes");
    }

    /// <summary>As <c>-hda</c> to <c>-hdd</c> and <c>-cdrom</c> have it.</summary>
    public static DriveOption OfFile(string file, int index, bool isCdRom) =>
        new("", file, null, isCdRom, DriveInterface.Ide) { IsCdRom = isCdRom, Index = index };
}
