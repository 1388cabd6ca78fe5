using Gauntlet.Vmm.Program.Options;
using Gauntlet.Vmm.Storage;
using Gauntlet.Vmm.Tracing;

namespace Gauntlet.Vmm.Program;

/// <summary>The disks of a command line, by id, each for one device.</summary>
/// <param name="tracer">Told of what they do; null: nobody.</param>
public sealed class Drives(IReadOnlyList<DriveOption> options, Tracer? tracer = null)
{
    private readonly List<string> _taken = [];

    /// <summary>All of them by node name: the drives of the command line, and those that QMP adds.</summary>
    public BlockNodes Nodes { get; } = new();

    /// <summary>Opens the disk that a device names.</summary>
    /// <exception cref="OptionException">There is none of that id, or another device has it.</exception>
    /// <exception cref="BlockImageException">It cannot be opened.</exception>
    public IBlockImage Take(string device, string id)
    {
        foreach (var option in options)
        {
            if (option.Id != id || option.Interface is DriveInterface.Virtio or DriveInterface.Pflash)
                continue;
            if (_taken.Contains(id))
                throw new OptionException($"-device {device}: drive '{id}' is in use by another device");
            _taken.Add(id);
            return Open(option);
        }
        if (Nodes.Find(id) is not null)
            return TracedImage.Wrap(Nodes.Take(id, id), id, tracer);
        throw new OptionException($"-device {device}: there is no drive '{id}'; add -drive if=none,id={id},file=…");
    }

    /// <exception cref="BlockImageException">It cannot be opened.</exception>
    public IBlockImage Open(DriveOption option)
    {
        var image = TracedImage.Wrap(OpenFile(option), option.Id, tracer);
        Nodes.Add(new BlockNode(Nodes.NewName(), option.File == "null-co://" ? "null-co" : option.Format ?? "raw", option.File, image) { User = option.Id });
        return image;
    }

    private static IBlockImage OpenFile(DriveOption option)
    {
        if (option.File == "null-co://")
            return new NullImage(option.NullBytes, option.ReadOnly);
        var image = BlockImages.Open(option.File, option.Format, option.ReadOnly || option.IsSnapshot);
        if (option is { IsSnapshot: true, ReadOnly: false })
            return new OverlayImage(image);
        return option is { Cache: BlockCache.Writeback, Discards: true } ? image : new PolicyImage(image, option.Cache, option.Discards);
    }
}
