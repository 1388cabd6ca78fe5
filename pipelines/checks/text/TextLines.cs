namespace Gauntlet.Pipelines.Checks.Text;

/// <summary>A text and where its lines start. Lines end at line feeds only; a carriage return belongs to its line. Indices count from 0.</summary>
public sealed class TextLines
{
    private readonly int[] _starts;

    public TextLines(string text)
    {
        Text = text;
        var count = text.AsSpan().Count('\n') + (text.Length > 0 && text[^1] != '\n' ? 1 : 0);
        _starts = new int[count + 1];
        var at = 0;
        for (var i = 0; i < count; i++)
        {
            _starts[i] = at;
            var end = text.AsSpan(at).IndexOf('\n');
            at = end < 0 ? text.Length + 1 : at + end + 1;
        }
        _starts[count] = at;
    }

    public string Text { get; }

    public int Count => _starts.Length - 1;

    /// <summary>A line without its line feed; empty when the index is outside the text.</summary>
    public ReadOnlySpan<char> this[int index] =>
        (uint)index < (uint)Count ? Text.AsSpan(_starts[index], _starts[index + 1] - 1 - _starts[index]) : default;

    public bool Has(int index) => (uint)index < (uint)Count;

    /// <summary>Where a line starts in <see cref="Text"/>.</summary>
    public int StartOf(int index) => _starts[index];

    public string LineString(int index) => this[index].ToString();
}
