using System.Globalization;
using System.Text;

namespace Gauntlet.Vmm.Tracing;

/// <summary>What a field of an event holds.</summary>
public enum TraceFieldType
{
    Number32,
    Number64,
    Text,
}

/// <summary>A field of an event. A class, as all that lists are made of.</summary>
public sealed record TraceField(string Name, TraceFieldType Type);

/// <summary>Something that can be told of: a name and typed fields, declared once.</summary>
/// <param name="Name">Of letters, digits and <c>_</c>, as QEMU's: <c>virtio_blk_pci_write</c>.</param>
public sealed record TraceEvent(string Name, IReadOnlyList<TraceField> Fields)
{
    /// <summary>A device's name as it is part of an event's: <c>virtio-blk-pci</c> gives <c>virtio_blk_pci</c>.</summary>
    public static string NameOf(string device)
    {
        var name = new StringBuilder(device.Length);
        foreach (var letter in device)
            name.Append(char.IsAsciiLetterOrDigit(letter) ? char.ToLowerInvariant(letter) : '_');
        return name.ToString();
    }

    /// <summary>As a line of a trace-events file (QEMU, docs/devel/tracing.rst), which QEMU's simpletrace.py wants beside the trace.</summary>
    public string Declaration
    {
        get
        {
            var (parameters, format) = (new StringBuilder(), new StringBuilder());
            foreach (var part in Fields)
            {
                parameters.Append(parameters.Length == 0 ? "" : ", ").Append(part.Type switch
                {
                    TraceFieldType.Text => "const char *",
                    TraceFieldType.Number32 => "uint32_t ",
                    _ => "uint64_t ",
                }).Append(part.Name);
                format.Append(format.Length == 0 ? "" : " ").Append(part.Name).Append(part.Type switch
                {
                    TraceFieldType.Text => " %s",
                    TraceFieldType.Number32 => " %u",
                    _ => " 0x%\"PRIx64\"",
                });
            }
            // A PRIx64 at the end leaves an empty string behind, as in QEMU's own files.
            return $"{Name}({(Fields.Count == 0 ? "void" : parameters)}) \"{format}\"";
        }
    }

    /// <summary>One happening as a line of text, without its time.</summary>
    public void Append(StringBuilder line, ReadOnlySpan<TraceValue> values)
    {
        line.Append(Name);
        for (var i = 0; i < Fields.Count && i < values.Length; i++)
        {
            line.Append(' ').Append(Fields[i].Name).Append(' ');
            if (Fields[i].Type == TraceFieldType.Text)
                line.Append(values[i].Text);
            else if (Fields[i].Type == TraceFieldType.Number32)
                line.Append(values[i].Number);
            else
                line.Append(CultureInfo.InvariantCulture, $"0x{values[i].Number:x}");
        }
    }
}

/// <summary>The value of a field.</summary>
public readonly record struct TraceValue(ulong Number, string? Text)
{
    public static implicit operator TraceValue(ulong number) => new(number, null);

    public static implicit operator TraceValue(uint number) => new(number, null);

    public static implicit operator TraceValue(int number) => new((uint)number, null);

    public static implicit operator TraceValue(string text) => new(0, text);
}
