using Gauntlet.Terminal;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using YamlDotNet.RepresentationModel;

namespace Gauntlet.Results.Yaml;

/// <summary>
/// Reads the YAML files that people write. Every complaint names the file, the line and what was expected there, and whatever the
/// file holds, the only exception is <see cref="UserException"/>.
/// </summary>
public static class YamlFile
{
    /// <summary>Bytes that a definition may have.</summary>
    public const int MaxBytes = 1 << 20;

    /// <summary>Nesting that a definition may have; the YAML library recurses, and a stack overflow can't be caught.</summary>
    public const int MaxDepth = 32;

    /// <summary>The top-level mapping of a file.</summary>
    /// <exception cref="UserException">It can't be read, or isn't one YAML mapping.</exception>
    public static YamlMap Load(string path) => Parse(TextFile.Read(path, MaxBytes), path);

    /// <summary>The top-level mapping of a text.</summary>
    /// <param name="path">For messages.</param>
    /// <exception cref="UserException">It isn't one YAML mapping.</exception>
    public static YamlMap Parse(string text, string path)
    {
        try
        {
            RefuseDepth(text, path);
            var stream = new YamlStream();
            stream.Load(new StringReader(text));
            if (stream.Documents.Count != 1)
                throw new UserException($"{path}:1: expected one YAML document, found {stream.Documents.Count}.");
            return stream.Documents[0].RootNode is YamlMappingNode root
                ? new YamlMap(root, path, "")
                : throw new UserException($"{path}:1: expected a mapping (key: value) at the top.");
        }
        catch (YamlException e)
        {
            throw new UserException($"{path}:{Math.Max(1, e.Start.Line)}: not valid YAML: {FirstLine(e.InnerException?.Message ?? e.Message)}", inner: e);
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or FormatException or OverflowException or IndexOutOfRangeException)
        {
            // The library's own slips on malformed input, such as an escape beyond Unicode.
            throw new UserException($"{path}:1: not valid YAML: {FirstLine(e.Message)}", inner: e);
        }
    }

    private static void RefuseDepth(string text, string path)
    {
        var parser = new Parser(new StringReader(text));
        var depth = 0;
        while (parser.MoveNext())
        {
            switch (parser.Current)
            {
                case MappingStart or SequenceStart when ++depth > MaxDepth:
                    throw new UserException($"{path}:{parser.Current.Start.Line}: nested deeper than {MaxDepth} levels.");
                case MappingEnd or SequenceEnd:
                    depth--;
                    break;
                case AnchorAlias alias:
                    throw new UserException($"{path}:{alias.Start.Line}: aliases (*{alias.Value}) are not taken here; write the value out.");
            }
        }
    }

    private static string FirstLine(string message)
    {
        var end = message.IndexOf('\n');
        return (end < 0 ? message : message[..end]).TrimEnd('.', ' ', '\r') + ".";
    }
}
