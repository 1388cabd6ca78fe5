namespace Gauntlet.Vmm.Program.Options;

/// <summary>One <c>-drive</c>: a disk's content, to be used by a device of <c>-device</c>, or at once by a virtio disk with <c>if=virtio</c>.</summary>
/// <param name="Id">What <c>drive=</c> refers to; empty when nothing can.</param>
/// <param name="File">A path, or <c>null-co://</c> for a disk in memory that nothing outlives.</param>
/// <param name="Format">As its format property says; null when it is to be found out.</param>
/// <param name="ReadOnly">The guest cannot write.</param>
/// <param name="IsVirtio">A device comes with it.</param>
public sealed record DriveOption(string Id, string File, string? Format, bool ReadOnly, bool IsVirtio)
{
    /// <exception cref="OptionException">Something that is not known, or no file.</exception>
    public static DriveOption Parse(string argument)
    {
        var list = new PropertyList("-drive", argument, null);
        var (id, file, format) = (list.Take("id"), list.Take("file"), list.Take("format"));
        var readOnly = list.TakeSwitch("readonly") ?? list.TakeSwitch("read-only") ?? false;
        var device = list.Take("if") ?? "none";
        // How the host caches changes no result.
        _ = list.Take("cache");
        _ = list.Take("aio");
        _ = list.Take("media");
        list.ExpectEmpty("file, id, if, format, readonly, cache, aio");
        if (string.IsNullOrEmpty(file))
            throw new OptionException($"-drive {argument}: no file given");
        if (device is not ("none" or "virtio"))
            throw new OptionException($"-drive if={device}: there are none and virtio");
        if (device == "none" && string.IsNullOrEmpty(id))
            throw new OptionException($"-drive {argument}: with if=none a device finds it by its id=, and there is none");
        if (format is not (null or "raw" or "qcow2"))
            throw new OptionException($"-drive format={format}: there are raw and qcow2");
        return new DriveOption(id ?? "", file, format, readOnly, device == "virtio");
    }
}
