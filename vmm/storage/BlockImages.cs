namespace Gauntlet.Vmm.Storage;

/// <summary>Opens disk images by format.</summary>
public static class BlockImages
{
    /// <summary>Opens an image.</summary>
    /// <param name="format"><c>raw</c>, <c>qcow2</c>; null: what its first bytes say.</param>
    /// <exception cref="BlockImageException">It is not there, not of that format, or damaged.</exception>
    public static IBlockImage Open(string path, string? format, bool readOnly)
    {
        var isQcow2 = format switch
        {
            "raw" => false,
            "qcow2" => true,
            null => Qcow2Header.IsQcow2(path),
            _ => throw new BlockImageException($"disk image '{path}': there is no format '{format}'; there are raw and qcow2"),
        };
        return isQcow2 ? Qcow2Image.Open(path, readOnly) : new RawImage(path, readOnly);
    }
}
