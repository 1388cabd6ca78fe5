using System.Text;
using Gauntlet.Vmm.Boot;

namespace Gauntlet.Vmm.Program.Options;

/// <summary><c>-smbios</c>: fields of SMBIOS structures.</summary>
public sealed class SmbiosOptions
{
    private readonly Dictionary<SmbiosField, string> _fields = [];
    private readonly List<string> _strings = [];

    public IReadOnlyDictionary<SmbiosField, string> Fields => _fields;

    public IReadOnlyList<string> OemStrings => _strings;

    /// <exception cref="OptionException">A type or a field that cannot be chosen, or a text that is too long.</exception>
    public void Add(string argument)
    {
        var list = new PropertyList("-smbios", argument, null);
        if (list.Take("file") is not null)
            throw new OptionException("-smbios file=: structures cannot be given whole here, only fields of types 0, 1, 2, 3, 4, 11 and 17");
        var type = Numbers.Count("-smbios type", list.Take("type") ?? throw new OptionException($"-smbios {argument}: no type given, as type=1"), 0, 127);
        var known = FieldsOf(type);
        foreach (var (field, value) in list.Properties)
        {
            if (Array.IndexOf(known, field) < 0)
                throw new OptionException($"-smbios type={type}: there is no field '{field}'; there are {string.Join(", ", known)}");
            if (Encoding.UTF8.GetByteCount(value) > SmbiosTables.MaxTextBytes || value.Contains('\0', StringComparison.Ordinal))
                throw new OptionException($"-smbios type={type},{field}=: more than {SmbiosTables.MaxTextBytes} bytes, or a zero among them");
            if (field == "value")
                _strings.Add(value);
            else
                _fields[new SmbiosField(type, field)] = value;
        }
        if (_strings.Count > byte.MaxValue)
            throw new OptionException($"-smbios type=11: more than {byte.MaxValue} strings");
    }

    private static string[] FieldsOf(int type) => type switch
    {
        0 => ["vendor", "version", "date", "release", "uefi"],
        1 => ["manufacturer", "product", "version", "serial", "uuid", "sku", "family"],
        2 => ["manufacturer", "product", "version", "serial", "asset", "location"],
        3 => ["manufacturer", "version", "serial", "asset", "sku"],
        4 => ["sock_pfx", "manufacturer", "version", "serial", "asset", "part"],
        11 => ["value"],
        17 => ["loc_pfx", "bank", "manufacturer", "serial", "asset", "part", "speed"],
        _ => throw new OptionException($"-smbios type={type}: fields can be chosen of types 0, 1, 2, 3, 4, 11 and 17"),
    };
}
