import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.ListValue;
import com.google.protobuf.Message;
import com.google.protobuf.NullValue;
import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import symdb.v1.ScopeOuterClass.LanguageSpecifics;
import symdb.v1.ScopeOuterClass.Scope;

/** Makes messages of JSON objects, of which the keys are the fields. */
final class Messages {
    private Messages() {}

    static Scope scope(JsonObject from) {
        return (Scope) fill(Scope.newBuilder(), from).build();
    }

    /** What is null is left unset. */
    private static Message.Builder fill(Message.Builder to, JsonObject from) {
        for (var entry : from.entrySet()) {
            var value = entry.getValue();
            var field = to.getDescriptorForType().findFieldByName(entry.getKey());
            if (field == null) {
                // Keys that LanguageSpecifics has no field for travel in its open map.
                ((LanguageSpecifics.Builder) to).putAdditional(entry.getKey(), value(value));
            } else if (field.isRepeated()) {
                value.getAsJsonArray().forEach(element -> to.addRepeatedField(field, single(to, field, element)));
            } else if (!value.isJsonNull()) {
                to.setField(field, single(to, field, value));
            }
        }
        return to;
    }

    private static Object single(Message.Builder to, FieldDescriptor field, JsonElement value) {
        return switch (field.getJavaType()) {
            case INT -> value.getAsInt();
            case BOOLEAN -> value.getAsBoolean();
            case STRING -> value.getAsString();
            case MESSAGE -> fill(to.newBuilderForField(field), value.getAsJsonObject()).build();
            default -> throw new IllegalArgumentException(field.getFullName());
        };
    }

    private static Value value(JsonElement from) {
        var to = Value.newBuilder();
        if (from.isJsonNull()) {
            return to.setNullValue(NullValue.NULL_VALUE).build();
        } else if (from.isJsonArray()) {
            var list = ListValue.newBuilder();
            from.getAsJsonArray().forEach(element -> list.addValues(value(element)));
            return to.setListValue(list).build();
        } else if (from.isJsonObject()) {
            var struct = Struct.newBuilder();
            from.getAsJsonObject().entrySet().forEach(field -> struct.putFields(field.getKey(), value(field.getValue())));
            return to.setStructValue(struct).build();
        }
        var primitive = from.getAsJsonPrimitive();
        if (primitive.isBoolean()) {
            return to.setBoolValue(primitive.getAsBoolean()).build();
        }
        return primitive.isNumber()
                ? to.setNumberValue(primitive.getAsDouble()).build()
                : to.setStringValue(primitive.getAsString()).build();
    }
}
