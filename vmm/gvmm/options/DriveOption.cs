using Gauntlet.Vmm.Storage;

namespace Gauntlet.Vmm.Program.Options;

/// <summary>One <c>-drive</c>: a disk's content, to be used by a device of <c>-device</c>, or at once by a virtio disk with <c>if=virtio</c>.</summary>
/// <param name="Id">What <c>drive=</c> refers to; empty when nothing can.</param>
/// <param name="File">A path, or <c>null-co://</c> for a disk in memory that nothing outlives.</param>
/// <param name="Format">As its format property says; null when it is to be found out.</param>
/// <param name="ReadOnly">The guest cannot write.</param>
/// <param name="IsVirtio">A device comes with it.</param>
public sealed record DriveOption(string Id, string File, string? Format, bool ReadOnly, bool IsVirtio)
{
    /// <summary>When what the guest writes is on the host's disk.</summary>
    public BlockCache Cache { get; init; }

    /// <summary>What the guest discards is given back to the host.</summary>
    public bool Discards { get; init; } = true;

    /// <summary>Bytes of a <c>null-co://</c> disk.</summary>
    public long NullBytes { get; init; } = 1L << 30;

    /// <exception cref="OptionException">Something that is not known, or no file.</exception>
    public static DriveOption Parse(string argument)
    {
        var list = new PropertyList("-drive", argument, null);
        var (id, file, format) = (list.Take("id"), list.Take("file"), list.Take("format"));
        var readOnly = list.TakeSwitch("readonly") ?? list.TakeSwitch("read-only") ?? false;
        var device = list.Take("if") ?? "none";
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
        var size = list.Take("size") ?? list.Take("file.size");
        if (size is not null && file != "null-co://")
            throw new OptionException($"-drive size={size}: a file has its own; it is for null-co://");
        // A disk that reads as nothing reads as zeros here in any case.
        _ = list.TakeSwitch("read-zeroes");
        _ = list.TakeSwitch("file.read-zeroes");
        _ = list.Take("aio");
        _ = list.Take("media");
        list.ExpectEmpty("file, id, if, format, readonly, cache, discard, aio, size");
        if (string.IsNullOrEmpty(file))
            throw new OptionException($"-drive {argument}: no file given");
        if (device is not ("none" or "virtio"))
            throw new OptionException($"-drive if={device}: there are none and virtio");
        if (device == "none" && string.IsNullOrEmpty(id))
            throw new OptionException($"-drive {argument}: with if=none a device finds it by its id=, and there is none");
        if (format is not (null or "raw" or "qcow2"))
            throw new OptionException($"-drive format={format}: there are raw and qcow2");
        var drive = new DriveOption(id ?? "", file, format, readOnly, device == "virtio") { Cache = cache, Discards = discards };
        return size is null ? drive : drive with { NullBytes = NullSize(size) };
    }

    private static long NullSize(string text)
    {
        var bytes = Numbers.Size("-drive size", text, 1);
        return bytes % 512 == 0 ? (long)bytes : throw new OptionException($"-drive size={text}: not whole sectors of 512 bytes");
    }
}
