using System.Globalization;
using System.Text.RegularExpressions;
using Gauntlet.Terminal;
using YamlDotNet.RepresentationModel;

namespace Gauntlet.Results.Yaml;

/// <summary>
/// One mapping of a YAML file, read key by key. Every getter throws <see cref="UserException"/> with file and line when what is there isn't what was asked for.
/// </summary>
public sealed class YamlMap
{
    private readonly YamlMappingNode node;
    private readonly string path;
    private readonly string where;

    internal YamlMap(YamlMappingNode node, string path, string where)
    {
        this.node = node;
        this.path = path;
        this.where = where;
    }

    /// <summary>Line that it starts on, from 1.</summary>
    public int Line => (int)node.Start.Line;

    /// <summary>Keys in the order they are written.</summary>
    public IEnumerable<string> Keys => node.Children.Keys.Select(KeyText);

    public bool Has(string key) => Find(key) is not null;

    /// <summary>Where a key is written, for messages: <c>suite.yaml:12</c>; the mapping itself when the key isn't there.</summary>
    public string Position(string? key = null) => $"{path}:{(key is not null && Find(key) is { } value ? value.Start.Line : node.Start.Line)}";

    public UserException Error(string message, string? key = null) => new($"{Position(key)}: {message}");

    /// <summary>Refuses keys that nobody reads, so that a misspelt one doesn't pass unnoticed.</summary>
    public void RefuseOthersThan(params ReadOnlySpan<string> known)
    {
        foreach (var (keyNode, _) in node.Children)
        {
            var key = KeyText(keyNode);
            if (!known.Contains(key))
                throw new UserException($"{path}:{keyNode.Start.Line}: unknown key '{key}'{where}; known are {string.Join(", ", known!)}.");
        }
    }

    public string? Text(string key) => Find(key) switch
    {
        null => null,
        YamlScalarNode scalar => IsNull(scalar) ? null : scalar.Value,
        _ => throw Error($"'{key}' must be one value, not a list or mapping.", key),
    };

    public string RequiredText(string key) =>
        Text(key) is { Length: > 0 } text ? text : throw Error($"'{key}' is missing{where}.", key);

    public int? Integer(string key, int least, int most) => Text(key) is not { } text
        ? null
        : int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) && value >= least && value <= most
            ? value
            : throw Error($"'{key}' must be a whole number from {least} to {most}, not '{Shorten(text)}'.", key);

    public bool? Flag(string key) => Text(key) switch
    {
        null => null,
        "true" => true,
        "false" => false,
        var other => throw Error($"'{key}' must be true or false, not '{Shorten(other)}'.", key),
    };

    /// <summary>A regular expression that can be matched in linear time.</summary>
    public string? Pattern(string key)
    {
        if (Text(key) is not { } text)
            return null;
        try
        {
            _ = new Regex(text, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
            return text;
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            throw Error($"'{key}' is not a regular expression that can be used: {e.Message}", key);
        }
    }

    /// <summary>A list of values, or one value alone. Empty when the key is missing.</summary>
    public IReadOnlyList<string> Texts(string key)
    {
        switch (Find(key))
        {
            case null:
            case YamlScalarNode empty when IsNull(empty):
                return [];
            case YamlScalarNode one:
                return [one.Value ?? ""];
            case YamlSequenceNode list:
                return [.. list.Children.Select(item => Word(item, key))];
            default:
                throw Error($"'{key}' must be a list.", key);
        }
    }

    public YamlMap? Map(string key) => Find(key) switch
    {
        null => null,
        YamlScalarNode empty when IsNull(empty) => null,
        YamlMappingNode map => new YamlMap(map, path, $" in '{key}'"),
        _ => throw Error($"'{key}' must be a mapping (key: value).", key),
    };

    /// <summary>The value is a list, where it may also be a mapping.</summary>
    public bool IsList(string key) => Find(key) is YamlSequenceNode;

    /// <summary>A list of mappings. Empty when the key is missing.</summary>
    public IReadOnlyList<YamlMap> Maps(string key) => Find(key) switch
    {
        null => [],
        YamlScalarNode empty when IsNull(empty) => [],
        YamlSequenceNode list =>
        [
            .. list.Children.Select(item => item is YamlMappingNode map
                ? new YamlMap(map, path, $" in '{key}'")
                : throw new UserException($"{path}:{item.Start.Line}: every entry of '{key}' must be a mapping (key: value).")),
        ],
        _ => throw Error($"'{key}' must be a list.", key),
    };

    /// <summary>A list whose entries are values or lists of values; a value alone is a list of one. Empty when the key is missing.</summary>
    public IReadOnlyList<IReadOnlyList<string>> Groups(string key)
    {
        if (Find(key) is not YamlSequenceNode list)
            return [.. Texts(key).Select(text => (IReadOnlyList<string>)[text])];
        return [.. list.Children.Select(item => item is YamlSequenceNode group
            ? (IReadOnlyList<string>)[.. group.Children.Select(word => Word(word, key))]
            : [Word(item, key)])];
    }

    private string Word(YamlNode item, string key) => item is YamlScalarNode { Value: { } value }
        ? value
        : throw new UserException($"{path}:{item.Start.Line}: '{key}' must hold plain values.");

    /// <summary>Checks the file's <c>schema</c> number.</summary>
    public void RequireSchema(int newest)
    {
        var schema = Integer("schema", 1, int.MaxValue) ?? throw Error("'schema' is missing; write 'schema: 1'.");
        if (schema > newest)
            throw Error($"has schema {schema}, this program reads up to {newest}; use a newer gauntlet.", "schema");
    }

    /// <summary>For messages: at most 80 characters.</summary>
    public static string Shorten(string text) => text.Length <= 80 ? text : text[..77] + "...";

    private YamlNode? Find(string key)
    {
        foreach (var (keyNode, value) in node.Children)
        {
            if (keyNode is YamlScalarNode { Value: { } name } && name == key)
                return value;
        }

        return null;
    }

    private string KeyText(YamlNode key) => key is YamlScalarNode { Value: { } name }
        ? name
        : throw new UserException($"{path}:{key.Start.Line}: a key must be a plain word.");

    // A plain scalar that is empty, '~' or 'null'; quoted ones are text.
    private static bool IsNull(YamlScalarNode scalar) =>
        scalar.Style == YamlDotNet.Core.ScalarStyle.Plain && scalar.Value is null or "" or "~" or "null";
}
