namespace Gauntlet.Vmm.Program.Options;

/// <summary>One key and its value. A class, as all that options are kept in.</summary>
public sealed record OptionProperty(string Key, string Value);

/// <summary>
/// The argument of an option in QEMU's key=value form: <c>first,key=value,flag</c>; a comma in a value is doubled; a word without <c>=</c> that is not the
/// first stands for <c>word=on</c>.
/// </summary>
public sealed class PropertyList
{
    private readonly List<OptionProperty> _properties = [];
    private readonly string _option;

    /// <param name="option">For messages: <c>-machine</c>.</param>
    /// <param name="text">The argument.</param>
    /// <param name="impliedKey">What a first word without <c>=</c> is the value of; null when there is no such word.</param>
    /// <exception cref="OptionException">A property without a name.</exception>
    public PropertyList(string option, string text, string? impliedKey)
    {
        _option = option;
        var at = 0;
        for (var index = 0; at < text.Length; index++)
        {
            var word = TakeWord(text, ref at);
            var equals = word.IndexOf('=');
            if (equals == 0 || word.Length == 0)
                throw new OptionException($"{option} {text}: a property without a name");
            if (equals > 0)
                _properties.Add(new OptionProperty(word[..equals], word[(equals + 1)..]));
            else if (index == 0 && impliedKey is not null)
                _properties.Add(new OptionProperty(impliedKey, word));
            else
                _properties.Add(new OptionProperty(word, "on"));
        }
    }

    /// <summary>In the order given; a key may come twice.</summary>
    public IReadOnlyList<OptionProperty> Properties => _properties;

    /// <summary>Takes a property out; the last one of that name counts. Null when it is not there.</summary>
    public string? Take(string key)
    {
        string? value = null;
        for (var i = _properties.Count - 1; i >= 0; i--)
        {
            if (_properties[i].Key != key)
                continue;
            value ??= _properties[i].Value;
            _properties.RemoveAt(i);
        }
        return value;
    }

    /// <summary>Takes a property that is on or off, yes or no.</summary>
    /// <exception cref="OptionException">Another value.</exception>
    public bool? TakeSwitch(string key) => Take(key) switch
    {
        null => null,
        "on" or "yes" or "true" or "y" => true,
        "off" or "no" or "false" or "n" => false,
        var other => throw new OptionException($"{_option}: {key} is on or off, not '{other}'"),
    };

    /// <summary>Everything known was taken.</summary>
    /// <exception cref="OptionException">Something is left; the message names it.</exception>
    public void ExpectEmpty(string known)
    {
        if (_properties.Count > 0)
            throw new OptionException($"{_option}: there is no property '{_properties[0].Key}'; there are {known}");
    }

    /// <summary>The words between single commas, doubled ones undone.</summary>
    public static List<string> Split(string text)
    {
        var words = new List<string>();
        for (var at = 0; at < text.Length;)
            words.Add(TakeWord(text, ref at));
        return words;
    }

    private static string TakeWord(string text, ref int at)
    {
        var start = at;
        var hasDoubled = false;
        for (; at < text.Length; at++)
        {
            if (text[at] != ',')
                continue;
            if (at + 1 == text.Length || text[at + 1] != ',')
                break;
            hasDoubled = true;
            at++;
        }
        var word = text[start..at];
        at++;
        return hasDoubled ? word.Replace(",,", ",", StringComparison.Ordinal) : word;
    }
}
