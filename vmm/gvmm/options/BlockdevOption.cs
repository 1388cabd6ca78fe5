using System.Buffers;
using System.Text.Json;

namespace Gauntlet.Vmm.Program.Options;

/// <summary>The argument of <c>-blockdev</c>: JSON as QMP's <c>blockdev-add</c> takes it, or the same with dots: <c>driver=qcow2,node-name=d0,file.filename=F</c>.</summary>
internal static class BlockdevOption
{
    /// <exception cref="OptionException">It is neither.</exception>
    public static JsonElement Parse(string argument)
    {
        if (!argument.StartsWith('{'))
            return FromDots(argument);
        try
        {
            using var document = JsonDocument.Parse(argument);
            return document.RootElement.Clone();
        }
        catch (JsonException why)
        {
            throw new OptionException($"-blockdev {argument}: not JSON: {why.Message}");
        }
    }

    private static JsonElement FromDots(string argument)
    {
        var root = new Node();
        foreach (var (key, value) in new PropertyList("-blockdev", argument, "driver").Properties)
        {
            var node = root;
            foreach (var word in key.Split('.'))
                node = node.Child(word);
            node.Value = value;
        }
        var bytes = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(bytes))
            root.Write(writer);
        using var document = JsonDocument.Parse(bytes.WrittenMemory);
        return document.RootElement.Clone();
    }

    private sealed class Node
    {
        private readonly SortedDictionary<string, Node> _children = new(StringComparer.Ordinal);

        public string? Value { get; set; }

        public Node Child(string name)
        {
            if (!_children.TryGetValue(name, out var child))
                _children[name] = child = new Node();
            return child;
        }

        public void Write(Utf8JsonWriter writer)
        {
            if (_children.Count == 0)
            {
                writer.WriteStringValue(Value);
                return;
            }
            writer.WriteStartObject();
            foreach (var (name, child) in _children)
            {
                writer.WritePropertyName(name);
                child.Write(writer);
            }
            writer.WriteEndObject();
        }
    }
}
