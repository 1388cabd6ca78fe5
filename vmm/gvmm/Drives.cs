using Gauntlet.Vmm.Program.Options;
using Gauntlet.Vmm.Storage;
using Gauntlet.Vmm.Tracing;

namespace Gauntlet.Vmm.Program;

/// <summary>The disks of a command line, by id, each for one device.</summary>
/// <param name="tracer">Told of what they do; null: nobody.</param>
public sealed class Drives(IReadOnlyList<DriveOption> options, Tracer? tracer = null)
{
    private const string BlkDebugPrefix = "blkdebug:";

    private readonly List<string> _taken = [];

    /// <summary>All of them by node name: the drives of the command line, and those that QMP adds.</summary>
    public BlockNodes Nodes { get; } = new();

    /// <summary>Once, before a device takes a disk: who is told of each error of the host.</summary>
    public Action<BlockError> OnError { get; init; } = static _ => { };

    /// <summary>Opens the disk that a device names.</summary>
    /// <param name="onRead">What the device wants done about errors, if that is not the drive's business; null: it is.</param>
    /// <exception cref="OptionException">There is none of that id, or another device has it.</exception>
    /// <exception cref="BlockImageException">It cannot be opened.</exception>
    public (IBlockImage Image, BlockErrors Errors) Take(string device, string id, BlockErrorAction? onRead = null, BlockErrorAction? onWrite = null)
    {
        foreach (var option in options)
        {
            if (option.Id != id || option.Interface is DriveInterface.Virtio or DriveInterface.Pflash)
                continue;
            if (_taken.Contains(id))
                throw new OptionException($"-device {device}: drive '{id}' is in use by another device");
            _taken.Add(id);
            return Open(option with { OnReadError = onRead ?? option.OnReadError, OnWriteError = onWrite ?? option.OnWriteError });
        }
        if (Nodes.Find(id) is not { } node)
            throw new OptionException($"-device {device}: there is no drive '{id}'; add -drive if=none,id={id},file=…");
        var errors = NewErrors(id, id, onRead ?? BlockErrorAction.Report, onWrite ?? BlockErrorAction.Report, node.Breakpoints);
        return (TracedImage.Wrap(Nodes.Take(id, id, errors), id, tracer), errors);
    }

    /// <exception cref="BlockImageException">It cannot be opened.</exception>
    public (IBlockImage Image, BlockErrors Errors) Open(DriveOption option)
    {
        var (file, breakpoints) = OpenFile(option);
        var image = TracedImage.Wrap(file, option.Id, tracer);
        var name = Nodes.NewName();
        var errors = NewErrors(option.Id, name, option.OnReadError, option.OnWriteError, breakpoints);
        Nodes.Add(new BlockNode(name, option.File == "null-co://" ? "null-co" : option.Format ?? "raw", option.File, image) { User = option.Id, Breakpoints = breakpoints, Errors = errors });
        return (image, errors);
    }

    private BlockErrors NewErrors(string id, string node, BlockErrorAction onRead, BlockErrorAction onWrite, BlkDebugImage? breakpoints)
    {
        var errors = new BlockErrors(id, node, onRead, onWrite) { Breakpoints = breakpoints };
        errors.Connect(OnError);
        return errors;
    }

    private static (IBlockImage Image, BlkDebugImage? Breakpoints) OpenFile(DriveOption option)
    {
        if (option.File == "null-co://")
            return (new NullImage(option.NullBytes, option.ReadOnly), null);
        // As QEMU: blkdebug:RULES:FILE, where the file of rules may be left out.
        string? rules = null;
        var path = option.File;
        if (path.StartsWith(BlkDebugPrefix, StringComparison.Ordinal))
        {
            var colon = path.IndexOf(':', BlkDebugPrefix.Length);
            if (colon < 0)
                throw new BlockImageException($"disk image '{path}': give it as {BlkDebugPrefix}RULES:FILE, or {BlkDebugPrefix}:FILE without rules");
            (rules, path) = (path[BlkDebugPrefix.Length..colon], path[(colon + 1)..]);
        }
        var image = BlockImages.Open(path, option.Format, option.ReadOnly || option.IsSnapshot);
        BlkDebugImage? breakpoints = null;
        if (rules is not null)
            image = breakpoints = new BlkDebugImage(image, rules.Length == 0 ? [] : BlkDebugImage.ReadRules(rules));
        if (option is { IsSnapshot: true, ReadOnly: false })
            return (new OverlayImage(image), breakpoints);
        return (option is { Cache: BlockCache.Writeback, Discards: true } ? image : new PolicyImage(image, option.Cache, option.Discards), breakpoints);
    }
}
