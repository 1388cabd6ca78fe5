using System.Globalization;
using System.Text.Json;
using Gauntlet.Vmm.Storage;

namespace Gauntlet.Vmm.Protocols.Qmp;

/// <summary>
/// Opens what <c>blockdev-add</c> and <c>-blockdev</c> describe (QEMU QMP Reference Manual, BlockdevOptions): drivers null-co, file, raw, qcow2 and blkdebug.
/// Values may be JSON's own or words, as a command line has them.
/// </summary>
public static class BlockdevReader
{
    private const int MaxNesting = 8;
    private const long NullBytes = 1L << 30;

    /// <summary>Opens a disk and gives it its name.</summary>
    /// <exception cref="BlockImageException">It is not there, is damaged, or the description does not fit.</exception>
    public static void Add(BlockNodes nodes, JsonElement options)
    {
        if (Text(options, "node-name") is not { Length: > 0 } name)
            throw new BlockImageException("'node-name' must be specified for the root node");
        nodes.Add(Open(nodes, options, name, MaxNesting));
    }

    private static BlockNode Open(BlockNodes nodes, JsonElement options, string name, int nesting)
    {
        if (options.ValueKind != JsonValueKind.Object || nesting == 0)
            throw new BlockImageException("a block device is an object with a driver, or the name of one");
        var readOnly = Flag(options, "read-only");
        switch (Text(options, "driver"))
        {
            case "null-co" or "null-aio":
                Expect(options, "size", "latency-ns", "read-zeroes");
                var bytes = Number(options, "size") ?? NullBytes;
                return bytes % 512 == 0 ? new BlockNode(name, "null-co", "null-co://", new NullImage(bytes, readOnly)) : throw new BlockImageException("size is not a multiple of 512");
            case "file":
                Expect(options, "filename", "aio", "locking");
                var path = Text(options, "filename") ?? throw Missing("filename");
                return new BlockNode(name, "file", path, BlockImages.Open(path, "raw", readOnly));
            case "raw" or "qcow2":
                Expect(options, "file");
                var format = Text(options, "driver")!;
                var file = FileOf(nodes, options);
                return new BlockNode(name, format, file, BlockImages.Open(file, format, readOnly));
            case "blkdebug":
                Expect(options, "image", "config", "inject-error", "align");
                return OpenBlkDebug(nodes, options, name, nesting);
            case null:
                throw Missing("driver");
            case var other:
                throw new BlockImageException($"Unknown driver '{other}'; there are null-co, file, raw, qcow2 and blkdebug");
        }
    }

    private static BlockNode OpenBlkDebug(BlockNodes nodes, JsonElement options, string name, int nesting)
    {
        // First, as it may be a pipe that somebody fills later.
        var rules = new List<BlkDebugRule>();
        if (Text(options, "config") is { } config)
            rules.AddRange(BlkDebugImage.ReadRules(config));
        if (options.TryGetProperty("inject-error", out var list))
        {
            if (list.ValueKind != JsonValueKind.Array)
                throw new BlockImageException("Parameter 'inject-error' is a list");
            foreach (var rule in list.EnumerateArray())
                rules.Add(new BlkDebugRule(Text(rule, "event") ?? throw Missing("event"), Number(rule, "sector"), Flag(rule, "once")));
        }
        if (!options.TryGetProperty("image", out var image))
            throw Missing("image");
        var inner = image.ValueKind == JsonValueKind.String
            ? new BlockNode(image.GetString()!, "", image.GetString()!, nodes.Take(image.GetString()!, name))
            : Open(nodes, image, nodes.NewName(), nesting - 1);
        var debugged = new BlkDebugImage(inner.Image, rules);
        return new BlockNode(name, "blkdebug", $"blkdebug::{inner.File}", debugged) { Breakpoints = debugged };
    }

    // The path of the file below a format: described in place, or a node that is one.
    private static string FileOf(BlockNodes nodes, JsonElement options)
    {
        if (!options.TryGetProperty("file", out var file))
            throw Missing("file");
        if (file.ValueKind == JsonValueKind.String)
        {
            return nodes.Find(file.GetString()!) is { Driver: "file" } node
                ? node.File
                : throw new BlockImageException($"Cannot find device='' nor node-name='{file.GetString()}', or it is no file");
        }
        if (file.ValueKind != JsonValueKind.Object || Text(file, "driver") is not (null or "file"))
            throw new BlockImageException("Parameter 'file' is a node of driver 'file'");
        return Text(file, "filename") ?? throw Missing("filename");
    }

    private static void Expect(JsonElement options, params ReadOnlySpan<string> known)
    {
        foreach (var given in options.EnumerateObject())
        {
            // How the host's cache is used changes no result.
            if (given.Name is "driver" or "node-name" or "read-only" or "auto-read-only" or "cache" or "discard" or "detect-zeroes" or "force-share" || known.Contains(given.Name))
                continue;
            if (!given.Name.StartsWith("cache.", StringComparison.Ordinal))
                throw new BlockImageException($"Parameter '{given.Name}' is unexpected");
        }
    }

    private static BlockImageException Missing(string name) => new($"Parameter '{name}' is missing");

    private static string? Text(JsonElement options, string name) => !options.TryGetProperty(name, out var value) ? null
        : value.ValueKind == JsonValueKind.String ? value.GetString()
        : throw new BlockImageException($"Invalid parameter type for '{name}', expected: string");

    private static bool Flag(JsonElement options, string name) => options.TryGetProperty(name, out var value) && value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.String => value.GetString() is "on" or "yes" or "true",
        _ => throw new BlockImageException($"Invalid parameter type for '{name}', expected: boolean"),
    };

    private static long? Number(JsonElement options, string name)
    {
        if (!options.TryGetProperty(name, out var value))
            return null;
        long number = -1;
        var isNumber = value.ValueKind == JsonValueKind.Number ? value.TryGetInt64(out number)
            : value.ValueKind == JsonValueKind.String && long.TryParse(value.GetString(), NumberStyles.None, CultureInfo.InvariantCulture, out number);
        return isNumber && number >= 0 ? number : throw new BlockImageException($"Invalid parameter type for '{name}', expected: integer");
    }
}
