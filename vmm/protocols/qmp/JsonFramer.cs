using System.Buffers;

namespace Gauntlet.Vmm.Protocols.Qmp;

/// <summary>Takes what <see cref="JsonFramer"/> finds, in order.</summary>
internal interface IJsonSink
{
    /// <summary>One whole JSON text, which may still be malformed inside. Valid until the call returns.</summary>
    void OnText(ReadOnlyMemory<byte> text);

    /// <summary>Bytes of which no text can come; what follows is looked at again from the next object, array or line.</summary>
    void OnGarbage(string what);
}

/// <summary>
/// Cuts a stream of bytes into JSON texts, which need nothing between them, and finds back into step after garbage. Strings in single quotes, which
/// QMP takes too, come out in double ones.
/// </summary>
internal sealed class JsonFramer(IJsonSink sink)
{
    /// <summary>More than any command has: a larger one is garbage.</summary>
    public const int MaxTextBytes = 1 << 20;

    public const int MaxDepth = 64;

    private readonly ArrayBufferWriter<byte> _text = new(256);
    private int _depth;
    private byte _quote;
    private bool _escaped, _recovering;

    /// <summary>Forgets what is incomplete: for the next client.</summary>
    public void Clear()
    {
        _text.ResetWrittenCount();
        (_depth, _quote, _escaped, _recovering) = (0, 0, false, false);
    }

    public void Feed(ReadOnlySpan<byte> bytes)
    {
        foreach (var value in bytes)
            Take(value);
    }

    private void Take(byte value)
    {
        if (_recovering && value is not ((byte)'{' or (byte)'[' or (byte)'\n'))
            return;
        _recovering = false;
        if (_text.WrittenCount >= MaxTextBytes)
            Refuse($"a command of more than {MaxTextBytes} bytes");
        else if (_quote != 0)
            TakeInString(value);
        else
            TakeOutside(value);
    }

    private void TakeInString(byte value)
    {
        if (value is < 0x20 or 0xc0 or 0xc1 or >= 0xf5)
        {
            Refuse($"byte 0x{value:x2} in a string");
            return;
        }
        if (_escaped)
        {
            _escaped = false;
            // \' is only in strings that begin with it.
            if (value != '\'')
                Put((byte)'\\');
            Put(value);
        }
        else if (value == '\\')
        {
            _escaped = true;
        }
        else if (value == _quote)
        {
            _quote = 0;
            Put((byte)'"');
            if (_depth == 0)
                Finish();
        }
        else
        {
            if (value == '"')
                Put((byte)'\\');
            Put(value);
        }
    }

    private void TakeOutside(byte value)
    {
        switch (value)
        {
            case (byte)' ' or (byte)'\t' or (byte)'\r' or (byte)'\n':
                if (_depth > 0)
                    Put(value);
                else if (_text.WrittenCount > 0)
                    Finish();
                break;
            case (byte)'{' or (byte)'[':
                FinishScalar();
                if (_depth == MaxDepth)
                {
                    Refuse($"values nested deeper than {MaxDepth}");
                    break;
                }
                _depth++;
                Put(value);
                break;
            case (byte)'}' or (byte)']':
                FinishScalar();
                if (_depth == 0)
                {
                    Refuse($"'{(char)value}' without a beginning");
                    break;
                }
                Put(value);
                if (--_depth == 0)
                    Finish();
                break;
            case (byte)'"' or (byte)'\'':
                FinishScalar();
                _quote = value;
                Put((byte)'"');
                break;
            case (byte)',' or (byte)':' or (byte)'-' or (byte)'+' or (byte)'.':
            case >= (byte)'0' and <= (byte)'9' or >= (byte)'a' and <= (byte)'z' or >= (byte)'A' and <= (byte)'Z':
                Put(value);
                break;
            default:
                Refuse($"byte 0x{value:x2} outside a string");
                break;
        }
    }

    // 5{} are two texts.
    private void FinishScalar()
    {
        if (_depth == 0 && _text.WrittenCount > 0)
            Finish();
    }

    private void Finish()
    {
        sink.OnText(_text.WrittenMemory);
        _text.ResetWrittenCount();
    }

    private void Refuse(string what)
    {
        Clear();
        _recovering = true;
        sink.OnGarbage(what);
    }

    private void Put(byte value)
    {
        _text.GetSpan(1)[0] = value;
        _text.Advance(1);
    }
}
