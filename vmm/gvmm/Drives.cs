using Gauntlet.Vmm.Program.Options;
using Gauntlet.Vmm.Storage;

namespace Gauntlet.Vmm.Program;

/// <summary>The disks of a command line, by id, each for one device.</summary>
public sealed class Drives(IReadOnlyList<DriveOption> options)
{
    private readonly List<string> _taken = [];

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
        throw new OptionException($"-device {device}: there is no drive '{id}'; add -drive if=none,id={id},file=…");
    }

    /// <exception cref="BlockImageException">It cannot be opened.</exception>
    public static IBlockImage Open(DriveOption option)
    {
        if (option.File == "null-co://")
            return new NullImage(option.NullBytes, option.ReadOnly);
        var image = BlockImages.Open(option.File, option.Format, option.ReadOnly || option.IsSnapshot);
        if (option is { IsSnapshot: true, ReadOnly: false })
            return new OverlayImage(image);
        return option is { Cache: BlockCache.Writeback, Discards: true } ? image : new PolicyImage(image, option.Cache, option.Discards);
    }
}
